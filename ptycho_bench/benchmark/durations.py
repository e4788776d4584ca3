"""How long jobs take, estimated from finished runs."""

import json
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Self

from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.records.run_folder import RESULTS, RunFolder


class Estimate:
    """Estimates the duration of a job from runs of the same kind: same model, data and split.

    Args:
        seconds_per_epoch: seconds per epoch of every known run, by kind.
    """

    def __init__(self, seconds_per_epoch: dict[tuple[str, ...], list[float]]) -> None:
        self.known = defaultdict(list, seconds_per_epoch)
        self.learned: set[str] = set()

    @classmethod
    def read(cls, outputs_dir: str) -> Self:
        """Return the estimate from every finished run in a folder."""
        found: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for file in sorted(Path(outputs_dir).glob(f"runs/*/*/{RESULTS}")):
            try:
                record = json.loads(file.read_text())
                found[kind_of(record)].append(float(record["training"]["seconds_per_epoch"]))
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
            self.known[job.kind].append(results["training"]["seconds_per_epoch"])

    def seconds(self, job: Job) -> float | None:
        """Return the seconds that a job still needs: None if no run of its kind is known, 0 if it is not a training."""
        if not job.kind:
            return 0.0
        if not self.known[job.kind]:
            return None
        done = len(RunFolder(job.folder).rows()) if (job.folder / "metrics.csv").is_file() else 0
        return max(0, job.epochs - done) * median(self.known[job.kind])


def kind_of(record: dict) -> tuple[str, str, str]:
    """Return the kind of a finished run (see `Job`)."""
    choices = record["choices"]
    return (choices["model"], record["data"]["name"], choices["split"])


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
