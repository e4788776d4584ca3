"""How long jobs take, estimated from finished runs, and how long a sweep may take."""

import json
import math
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple, Self

from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.records.run_folder import RESULTS, RunFolder


class Duration(NamedTuple):
    """How long a finished training took.

    epoch_s: seconds of each epoch.
    rest_s: seconds of the rest of the command: the start, the data, and the test.
    """

    epoch_s: float
    rest_s: float


class Estimate:
    """Estimates the duration of a job from runs of the same kind: same model, data, split and recipe.

    Args:
        known: duration of every known training, by kind.
    """

    def __init__(self, known: dict[tuple[str, ...], list[Duration]]) -> None:
        self.known = defaultdict(list, known)
        self.learned: set[str] = set()

    @classmethod
    def read(cls, outputs_dir: str | Path) -> Self:
        """Return the estimate from every finished run in a folder."""
        found: dict[tuple[str, ...], list[Duration]] = defaultdict(list)
        for file in sorted(Path(outputs_dir).glob(f"runs/*/*/{RESULTS}")):
            try:
                record = json.loads(file.read_text())
                found[kind_of(record)].append(duration_of(record))
            except (ValueError, KeyError, TypeError, OSError):
                continue  # a report names the damaged record; an estimate can do without it
        return cls(found)

    def learn(self, job: Job) -> None:
        """Update the estimate with a job that has just finished; a second call with the same job has no effect."""
        if job.name in self.learned or not job.kind:
            return
        self.learned.add(job.name)
        results = RunFolder(job.folder).results()
        if results is not None:
            self.known[job.kind].append(duration_of(results))

    def seconds(self, job: Job) -> float | None:
        """Return the seconds that a job still needs: None if no run of its kind is known, 0 if it is not a training."""
        if not job.kind:
            return 0.0
        if not self.known[job.kind]:
            return None
        done = len(RunFolder(job.folder).rows()) if (job.folder / "metrics.csv").is_file() else 0
        epochs_s, rests_s = zip(*self.known[job.kind], strict=True)
        return max(0, job.epochs - done) * median(epochs_s) + median(rests_s)


class TimeLimit:
    """The time that a sweep may take, from the moment this object is created.

    Args:
        minutes: the time; None for no limit.

    Raises:
        ValueError: If the time is not positive.
    """

    def __init__(self, minutes: float | None) -> None:
        if minutes is not None and not minutes > 0:
            raise ValueError(f"minutes must be above 0, or null for no limit, got {minutes}")
        self.minutes = minutes
        self.ends_s = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def is_over(self) -> bool:
        """Return True if no time is left."""
        return time.monotonic() >= self.ends_s


def duration_of(record: dict) -> Duration:
    """Return how long the training of a record took; the rest is too short for a run that was resumed."""
    training = record["training"]
    rest_s = max(0.0, training["seconds_whole_command"] - training["seconds"])
    return Duration(float(training["seconds"]) / training["epochs"], float(rest_s))


def kind_of(record: dict) -> tuple[str, ...]:
    """Return the kind of a finished run (see `Job`)."""
    choices = record["choices"]
    return (choices["model"], record["data"]["name"], choices["split"], choices["recipe"])


def format_duration(seconds: float | None) -> str:
    """Return a duration in readable units.

    >>> format_duration(42.0), format_duration(400.0), format_duration(9000.0), format_duration(None)
    ('42 s', '7 min', '2 h 30 min', 'unknown')
    """
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
