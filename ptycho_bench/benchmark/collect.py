"""What the runs of a benchmark's plan left behind: one entry a cell, from their folders alone."""

import functools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ptycho_bench.benchmark.definition import Benchmark, Value
from ptycho_bench.records.run_folder import ERROR, RunFolder

CONVERGED = 1.01  # a validation loss by the run's best, from which it counts as converged
MIB_PER_PARAMETER = 4 / 2**20  # single precision
Profiles = Mapping[str, Sequence[Mapping]]  # by what was profiled


class Place(NamedTuple):
    """Where in a table a number stands.

    group: of rows.
    row: label of the row.
    value: of what varies; None: nothing does.
    """

    group: str
    row: str
    value: Value


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One run of a cell.

    Args:
        place: the cell.
        seed: of the training; None: a solver's.
        folder: the run's, as the plan names it: below outputs_dir.
        status: done, failed, running or missing.
        reason: of a failed one, its last word.
        record: its results.json; empty unless it is done.
        training: results.json of the network's training, where the record is of a test; else the record itself.
        values: metric to number; None: this run has none.
    """

    place: Place
    seed: int | None
    folder: str
    status: str
    reason: str
    record: Mapping
    training: Mapping
    values: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Collected:
    """A benchmark with its entries.

    Args:
        benchmark: the benchmark.
        epochs: of a shortened variant; None: full length.
        entries: one a run.
        outputs_dir: where the runs lie.
    """

    benchmark: Benchmark
    epochs: int | None
    entries: Sequence[Entry]
    outputs_dir: Path

    def at(self, place: Place) -> list[Entry]:
        """Entries of a cell, by seed."""
        return self.by_place[place]

    @functools.cached_property
    def by_place(self) -> Mapping[Place, list[Entry]]:
        """Entries of every cell, in the table's order."""
        found = defaultdict(list)
        for entry in self.entries:
            found[entry.place].append(entry)
        return found

    def values(self, place: Place, metric: str) -> dict[int | None, float]:
        """Numbers of a cell by seed, of runs that are done and have one."""
        found = {entry.seed: entry.values[metric] for entry in self.at(place) if entry.status == "done"}
        return {seed: value for seed, value in found.items() if value is not None}


def collect(plan_file: Path, outputs_dir: Path) -> Collected:
    """Read a plan and what its runs left.

    Raises:
        ValueError: no plan, a record that cannot be read, or runs that must not stand in one table.
    """
    if not plan_file.is_file():
        raise ValueError(f"no plan {plan_file}; ptycho-sweep writes it when it runs the benchmark")
    plan = json.loads(plan_file.read_text())
    benchmark = Benchmark.of(plan["name"], plan["benchmark"])
    profiles = read_profiles(outputs_dir)
    entries = [entry_of(cell, benchmark, outputs_dir, profiles) for cell in plan["cells"]]
    collected = Collected(benchmark=benchmark, epochs=plan["epochs"], entries=entries, outputs_dir=outputs_dir)
    refuse_mixed(collected)
    return collected


def entry_of(cell: Mapping, benchmark: Benchmark, outputs_dir: Path, profiles: Profiles) -> Entry:
    """Entry of a plan's cell."""
    folder = outputs_dir / cell["folder"]
    record = RunFolder(folder).results() or {}
    training = record
    if record and "training" not in record and cell["seed"] is not None:  # a test lies in the run's folder
        training = RunFolder(folder.parents[1]).results() or {}
    status, reason = ("done", "") if record else unfinished(folder)
    run = Run(record, training, folder)
    values = {metric: value_of(metric, run, benchmark.part, profiles) for metric in benchmark.metrics}
    return Entry(
        place=Place(cell["group"], cell["row"], cell["value"]),
        seed=cell["seed"],
        folder=cell["folder"],
        status=status,
        reason=reason,
        record=record,
        training=training,
        values=values,
    )


def unfinished(folder: Path) -> tuple[str, str]:
    """Status of a run without results, and why it failed."""
    state = RunFolder(folder).state()
    if state != "failed":
        return ("running" if state == "running" else "missing"), ""
    lines = (folder / ERROR).read_text().strip().splitlines()
    return state, lines[-1] if lines else "it left no word"


def profile_of(run: "Run", profiles: Profiles) -> Mapping:
    """The profile of a run's network on the device it was trained on: of the same size; empty where there is none."""
    count = run.training.get("training", {}).get("parameters")
    named = profiles.get(profile_key(run.training, run.device), ())
    return next((profile for profile in named if profile["parameters"] == count), {})


class Run(NamedTuple):
    """A run's record, that of its training, and its folder; see `Entry`."""

    record: Mapping
    training: Mapping
    folder: Path

    @property
    def device(self) -> str:
        """Kind of device it was trained on: cpu or cuda."""
        return str(self.training.get("training", {}).get("device", "cpu")).partition(":")[0]


def value_of(metric: str, run: Run, part: str, profiles: Profiles) -> float | None:
    """A run's number of a metric; None where it has none."""
    if not run.record:
        return None
    if metric in COSTS:
        return COSTS[metric](run, profile_of(run, profiles))
    measured = run.record.get("metrics", {})
    return measured.get(part, measured if part == "stitched" else {}).get(metric)


def parameters_mib(run: Run, profile: Mapping) -> float | None:
    """Parameters in MiB of single precision."""
    count = run.training.get("training", {}).get("parameters")
    return None if count is None else count * MIB_PER_PARAMETER


COSTS = {  # what is no quality of an image
    "seconds": lambda run, profile: run.record.get("inference", run.record).get("seconds"),
    "seconds_per_epoch": lambda run, profile: run.training.get("training", {}).get("seconds_per_epoch"),
    "parameters_mib": parameters_mib,
    "convergence_epochs": lambda run, profile: convergence_epochs(run.folder),
    "gflops": lambda run, profile: profile.get("gflops"),
    "milliseconds": lambda run, profile: profile.get("milliseconds"),
}


def convergence_epochs(folder: Path) -> int | None:
    """First epoch whose validation loss is within 1 % of the run's best; counted from 1."""
    if not (folder / "metrics.csv").is_file():
        return None
    losses = {int(row["epoch"]): row["val_total"] for row in RunFolder(folder).rows()}
    best = min(losses.values())
    near = best * CONVERGED if best >= 0 else best / CONVERGED  # a loss may be negative, as NSSIM's
    return 1 + min(epoch for epoch, loss in losses.items() if loss <= near)


def read_profiles(outputs_dir: Path) -> dict[str, list[Mapping]]:
    """What ptycho-profile left, by what was profiled; networks of one name may differ in their values."""
    found = defaultdict(list)
    for file in sorted(outputs_dir.glob("profiles/*.json")):
        profile = json.loads(file.read_text())
        found[profile["key"]].append(profile)
    return found


def profile_key(record: Mapping, device: str) -> str:
    """What a profile is looked up by: model, input, phase, side of the patterns, kind of device."""
    choices = [record.get("choices", {}).get(group) for group in ("model", "input", "phase")]
    return "-".join(map(str, (*choices, record.get("data", {}).get("pattern_px"), device)))


def refuse_mixed(collected: Collected) -> None:
    """Raise ValueError where runs stand beside each other that were not measured on the same data by the same rules."""
    known: dict[tuple, tuple[str, str]] = {}
    for entry in collected.entries:
        if not entry.record:
            continue
        where = f"{collected.benchmark.name}, {entry.place.group or 'all rows'}, {entry.place.value}"
        hashes = {"data": entry.record.get("data", {}).get("content_hash")}
        version = entry.record.get("metrics", {}).get("protocol_version")
        hashes["protocol version"] = version or entry.record.get("protocol_version")
        epochs = entry.training.get("training", {}).get("epochs")
        if collected.epochs is not None and epochs not in (None, collected.epochs):
            raise ValueError(f"{where}: {entry.folder} has {epochs} epochs in a table of {collected.epochs}")
        for what, found in hashes.items():
            if found is None:
                continue
            first, folder = known.setdefault((entry.place.group, entry.place.value, what), (found, entry.folder))
            if first != found:
                raise ValueError(
                    f"{where}: {folder} and {entry.folder} differ in their {what}, {str(first)[:10]} and "
                    f"{str(found)[:10]}; run ptycho-sweep benchmark={collected.benchmark.name} again"
                )
