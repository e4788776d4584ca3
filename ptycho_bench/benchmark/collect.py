"""Collect what the runs of a benchmark have left behind, in one table with a line for each run and metric."""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas

from ptycho_bench.benchmark.definition import Benchmark
from ptycho_bench.benchmark.plan_file import PlanFile, PlannedRun, read_plan
from ptycho_bench.benchmark.record import LONGEST_TEXT
from ptycho_bench.benchmark.run import (
    FACTS,
    NUMBERS,
    Run,
    leakage_of,
    numbers_of,
    read_profiles,
    read_run,
    training_number,
)
from ptycho_bench.records.run_folder import ERROR, RunFolder

CELL = ["group", "row", "value"]  # columns that identify a cell of a table
LONGEST_ERROR = 2**14  # bytes at the end of error.txt that are read
LEAKAGE = ["leak_patches", "leak_field", "leak_scored"]


@dataclass(frozen=True, kw_only=True)
class Results:
    """The runs of a benchmark.

    Args:
        benchmark: the benchmark.
        epochs: epochs of a shortened variant; None for full length.
        outputs_dir: folder that contains the runs.
        frame: one line for each run and metric, in the order of the table. Columns: group, row and value ("" if nothing
            varies) identify the cell; seed (missing if the run has none, see `Cell`); metric and number (NaN if the run
            has none); constant (a constant guess's score of the metric), block_low and block_high (the run's 95 %
            interval by bootstrap over blocks of the stitched field), NaN if unknown; status (done, failed, running or
            missing) and reason of a failure; folder relative to outputs_dir; choices, epochs, commit, data, machine and
            seconds describe the run; not_learned ("", "amplitude", "phase" or "amplitude and phase": predicted no
            better than by a constant guess); command (the command line that repeats the run); leak_patches, leak_field
            and leak_scored (fractions of the test patches, the test field and the scored rectangle that the training
            has seen), NaN if unknown.
    """

    benchmark: Benchmark
    epochs: int | None
    outputs_dir: Path
    frame: pandas.DataFrame

    @functools.cached_property
    def runs(self) -> pandas.DataFrame:
        """One line for each run of each cell, with the columns that do not depend on the metric."""
        return self.frame.drop_duplicates([*CELL, "seed"]).drop(columns=["metric", *NUMBERS])


def collect(plan_file: Path, outputs_dir: Path) -> Results:
    """Read a plan and what its runs have left behind.

    Raises:
        ValueError: If the plan is missing or damaged, a record cannot be read, or runs must not share a table.
    """
    plan = read_plan(plan_file)
    profiles = read_profiles(outputs_dir)
    networks = {(row.group, row.label) for row in plan.definition.rows if row.run is not None}
    runs = [
        read_run(planned, outputs_dir, trained=(planned.group, planned.row) in networks)
        for planned in in_table_order(plan)
    ]
    check_comparable(runs, plan)
    lines = [
        {**describe(run), "metric": metric, **numbers_of(metric, run, plan, profiles)}
        for run in runs
        for metric in plan.definition.metrics
    ]
    columns = [*CELL, "seed", "metric", *NUMBERS, "status", "reason", "folder", *FACTS, "command", *LEAKAGE]
    types = {"seed": "Int64", **dict.fromkeys((*NUMBERS, *LEAKAGE), float)}
    frame = pandas.DataFrame(lines, columns=columns).astype(types)
    frame["value"] = pandas.Series([line["value"] for line in lines], dtype=object)  # numbers stay as they are written
    return Results(benchmark=plan.definition, epochs=plan.epochs, outputs_dir=outputs_dir, frame=frame)


def in_table_order(plan: PlanFile) -> list[PlannedRun]:
    """Return the runs of a plan by group, then by value of what varies, then by row."""
    groups, values = plan.definition.group_names(), plan.definition.values
    rows = [(row.group, row.label) for row in plan.definition.rows]

    def place(run: PlannedRun) -> tuple[int, int, int]:
        return groups.index(run.group), values.index(run.value), rows.index((run.group, run.row))

    return sorted(plan.cells, key=place)


def describe(run: Run) -> dict[str, object]:
    """Return the columns of a run that do not depend on the metric."""
    value = run.planned.value
    cell = {"group": run.planned.group, "row": run.planned.row, "value": "" if value is None else value}
    status, reason = ("done", "") if run.record is not None else unfinished(run.folder)
    facts = {name: "" if run.record is None else one_line(fact(run)) for name, fact in FACTS.items()}
    planned = {"seed": run.planned.seed, "folder": run.planned.folder, "command": run.planned.command}
    return {**cell, **planned, "status": status, "reason": reason, **facts, **leakage_of(run)}


def unfinished(folder: Path) -> tuple[str, str]:
    """Return the status of a run without a record, and the reason if it has failed."""
    state = RunFolder(folder).state()
    if state != "failed":
        return ("running" if state == "running" else "missing"), ""
    with (folder / ERROR).open("rb") as handle:
        handle.seek(max(0, handle.seek(0, os.SEEK_END) - LONGEST_ERROR))
        lines = handle.read().decode(errors="replace").strip().splitlines()
    return state, one_line(lines[-1]) if lines else "it has left no message"


def one_line(text: str) -> str:
    """Return a text of a run's files in one line, cut to 300 letters."""
    return " ".join(text.split())[:LONGEST_TEXT]


def check_comparable(runs: Sequence[Run], plan: PlanFile) -> None:
    """Raise ValueError if runs that are compared with each other differ in their data, protocol or epochs."""
    known: dict[tuple, tuple[object, str]] = {}
    for run in runs:
        if run.record is None:
            continue
        where = ", ".join(map(str, filter(None, (plan.name, run.planned.group, run.planned.value))))
        epochs = training_number(run, "epochs")
        if plan.epochs is not None and epochs not in (None, plan.epochs):
            raise ValueError(f"{where}: {run.planned.folder} has {epochs} epochs in a table of {plan.epochs}")
        protocol = run.record.number("metrics", "protocol_version")
        seed = run.planned.seed if plan.definition.seeded else None  # which changes the data
        data = run.record.text("data", "content_hash") if plan.definition.same_data else None
        scale = run.record.text("metrics", "scaled_by")
        for what, found in (("data", data), ("protocol version", protocol), ("range of metrics", scale)):
            if not found:
                continue
            key = (run.planned.group, run.planned.value, seed, what)
            first, folder = known.setdefault(key, (found, run.planned.folder))
            if first != found:
                raise ValueError(
                    f"{where}: {folder} and {run.planned.folder} differ in their {what}, {str(first)[:10]} and "
                    f"{str(found)[:10]}; run ptycho-sweep benchmark={plan.name} again"
                )
