"""Plan the jobs that a benchmark needs."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptycho_bench.benchmark.definition import Benchmark, Cell
from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.benchmark.plan_file import PLAN, PlanFile, plan_folder, read_plan
from ptycho_bench.benchmark.planner import Planner, SweepOptions
from ptycho_bench.config.validation import validated
from ptycho_bench.records.run_folder import write_json


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The jobs of a benchmark.

    Args:
        benchmark: the benchmark.
        epochs: epochs of a shortened variant; None for the epochs of the recipes.
        cells: each cell with the name of the job that fills it.
        jobs: jobs by name; a job comes after the one it needs.
        folder: folder of the plan, its logs and its report.
    """

    benchmark: Benchmark
    epochs: int | None
    cells: list[tuple[Cell, str]]
    jobs: dict[str, Job]
    folder: Path

    def saved(self) -> PlanFile | None:
        """Return the plan that an earlier sweep has saved, or None if there is none that can be read."""
        try:
            return read_plan(self.folder / PLAN)
        except (OSError, ValueError):
            return None

    def write(self, source: Mapping) -> None:
        """Save what a report needs: the benchmark, and for each cell its folder and the command that fills it.

        Args:
            source: the benchmark as plain data.
        """
        cells = [
            {
                "group": cell.row.group,
                "row": cell.row.label,
                "value": cell.value,
                "seed": cell.seed,
                "folder": name,
                "command": self.command(name),
            }
            for cell, name in self.cells
        ]
        plan = {"name": self.benchmark.name, "epochs": self.epochs, "benchmark": dict(source), "cells": cells}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / PLAN, validated(PlanFile, plan, f"plan of {self.benchmark.name}").model_dump())

    def command(self, name: str) -> str:
        """Return the command line that repeats a job, after that of the job whose checkpoint it needs.

        It leaves out the folder of published data, which differs from machine to machine.
        """
        job = self.jobs[name]
        needed = [] if job.after is None else [self.jobs[job.after]]
        return " && ".join(one.line(without=("data_root",)) for one in (*needed, job))

    def problems(self) -> dict[str, int]:
        """Return why jobs cannot run, one line each, with the number of jobs that have this problem."""
        return Counter(job.problem for job in self.jobs.values() if job.problem is not None)


def make_plan(benchmark: Benchmark, options: SweepOptions) -> Plan:
    """Return the plan of a benchmark.

    Args:
        benchmark: the benchmark, with the seeds to be run.
        options: settings of the sweep.

    Raises:
        ValueError: If overrides do not compose, or a table over epochs is to be shortened.
    """
    if options.epochs is not None and benchmark.vary is not None and benchmark.vary.key == "recipe.epochs":
        raise ValueError(f"epochs={options.epochs} cannot shorten {benchmark.name}, a table over epochs; leave it out")
    planner = Planner(benchmark, options)
    jobs: dict[str, Job] = {}
    cells = []
    for cell in benchmark.cells():
        needed = list(planner.jobs_of(cell))
        jobs |= {job.name: job for job in needed}
        cells.append((cell, needed[-1].name))
    folder = plan_folder(options.outputs_dir, benchmark.name, options.epochs)
    return Plan(benchmark=benchmark, epochs=options.epochs, cells=cells, jobs=jobs, folder=folder)
