"""Collect what the runs of a benchmark have left behind, in one table with a line for each run and metric."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas

from ptycho_bench.benchmark.definition import Benchmark
from ptycho_bench.benchmark.plan_file import PlanFile, PlannedRun, read_plan
from ptycho_bench.benchmark.run import FACTS, Run, number_of, read_profiles, read_run, training_number
from ptycho_bench.records.run_folder import ERROR, RunFolder

CELL = ["group", "row", "value"]  # columns that identify a cell of a table


@dataclass(frozen=True, kw_only=True)
class Results:
    """The runs of a benchmark.

    Args:
        benchmark: the benchmark.
        epochs: epochs of a shortened variant; None for full length.
        outputs_dir: folder that contains the runs.
        frame: one line for each run and metric, in the order of the table. Columns: group, row and value ("" if nothing
            varies) identify the cell; seed (missing for a solver); metric and number (NaN if the run has none); status
            (done, failed, running or missing) and reason of a failure; folder relative to outputs_dir; choices, epochs,
            commit, data, machine and seconds describe the run.
    """

    benchmark: Benchmark
    epochs: int | None
    outputs_dir: Path
    frame: pandas.DataFrame

    @functools.cached_property
    def runs(self) -> pandas.DataFrame:
        """One line for each run of each cell, with the columns that do not depend on the metric."""
        return self.frame.drop_duplicates([*CELL, "seed"]).drop(columns=["metric", "number"])


def collect(plan_file: Path, outputs_dir: Path) -> Results:
    """Read a plan and what its runs have left behind.

    Raises:
        ValueError: If the plan is missing or damaged, a record cannot be read, or runs must not share a table.
    """
    plan = read_plan(plan_file)
    profiles = read_profiles(outputs_dir)
    runs = [read_run(planned, outputs_dir) for planned in in_table_order(plan)]
    check_comparable(runs, plan)
    lines = [
        {**describe(run), "metric": metric, "number": number_of(metric, run, plan.definition.part, profiles)}
        for run in runs
        for metric in plan.definition.metrics
    ]
    columns = [*CELL, "seed", "metric", "number", "status", "reason", "folder", *FACTS]
    frame = pandas.DataFrame(lines, columns=columns).astype({"seed": "Int64", "number": float})
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
    facts = {name: "" if run.record is None else fact(run) for name, fact in FACTS.items()}
    return {**cell, "seed": run.planned.seed, "folder": run.planned.folder, "status": status, "reason": reason, **facts}


def unfinished(folder: Path) -> tuple[str, str]:
    """Return the status of a run without a record, and the reason if it has failed."""
    state = RunFolder(folder).state()
    if state != "failed":
        return ("running" if state == "running" else "missing"), ""
    lines = (folder / ERROR).read_text(errors="replace").strip().splitlines()
    return state, lines[-1] if lines else "it has left no message"


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
        protocol = run.record.number("metrics", "protocol_version") or run.record.number("protocol_version")
        for what, found in (("data", run.record.text("data", "content_hash")), ("protocol version", protocol)):
            if not found:
                continue
            key = (run.planned.group, run.planned.value, what)
            first, folder = known.setdefault(key, (found, run.planned.folder))
            if first != found:
                raise ValueError(
                    f"{where}: {folder} and {run.planned.folder} differ in their {what}, {str(first)[:10]} and "
                    f"{str(found)[:10]}; run ptycho-sweep benchmark={plan.name} again"
                )
