"""How long runs take, by those that were run."""

import json
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Self

from ptycho_bench.benchmark.plan import Job
from ptycho_bench.records.run_folder import RESULTS, RunFolder


class Estimate:
    """Seconds an epoch of runs alike: same model, data and split.

    Args:
        seconds_per_epoch: of every run, by what it is like.
    """

    def __init__(self, seconds_per_epoch: dict[tuple[str, ...], list[float]]) -> None:
        self.known = defaultdict(list, seconds_per_epoch)
        self.learned: set[str] = set()

    @classmethod
    def read(cls, outputs_dir: str) -> Self:
        """From every finished run of a folder."""
        found: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for file in sorted(Path(outputs_dir).glob(f"runs/*/*/{RESULTS}")):
            try:
                record = json.loads(file.read_text())
                found[like(record)].append(record["training"]["seconds_per_epoch"])
            except (ValueError, KeyError, OSError):
                continue  # a report says what is wrong with it; here it only teaches nothing
        return cls(found)

    def learn(self, job: Job) -> None:
        """Take in a job that was just done, once."""
        if job.name in self.learned or not job.like:
            return
        self.learned.add(job.name)
        results = RunFolder(job.folder).results()
        if results is not None:
            self.known[job.like].append(results["training"]["seconds_per_epoch"])

    def seconds(self, job: Job) -> float | None:
        """What is left of a job, s; None where nothing like it was run. A test counts as nothing."""
        if not job.like:
            return 0.0
        if not self.known[job.like]:
            return None
        done = len(RunFolder(job.folder).rows()) if (job.folder / "metrics.csv").is_file() else 0
        return max(0, job.epochs - done) * median(self.known[job.like])


def like(record: dict) -> tuple[str, ...]:
    """What a finished run is like; see `plan.Job`."""
    choices = record["choices"]
    return (choices["model"], record["data"]["name"], choices["split"])


def format_duration(seconds: float | None) -> str:
    """Seconds as one reads them.

    >>> spoken(42.0), spoken(400.0), spoken(9000.0), spoken(None)
    ('42 s', '7 min', '2 h 30 min', 'unknown')
    """
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
