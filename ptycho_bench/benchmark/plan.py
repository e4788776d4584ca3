"""Plan the jobs that a benchmark needs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import hydra
from omegaconf import DictConfig, open_dict

from ptycho_bench.benchmark.definition import Benchmark, Cell, Row, of_groups
from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.benchmark.plan_file import PLAN, PlanFile, plan_folder, read_plan, variant_name
from ptycho_bench.benchmark.validation import Value
from ptycho_bench.config.data_choice import data_set
from ptycho_bench.config.description import describe
from ptycho_bench.config.identity import sha256
from ptycho_bench.config.overrides import quoted
from ptycho_bench.config.run import run_of
from ptycho_bench.config.validation import validated
from ptycho_bench.data.versions import PROTOCOL_VERSION
from ptycho_bench.records.run_folder import write_json

DEVICES = {"cpu": "cpu", "gpu": "cuda", "ddp": "cuda"}  # of ptycho-evaluate, by the trainer of the runs
STUDY = "benchmark"  # all tables share one study, so that a run that several tables need is trained once


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Settings of a sweep that its runs depend on, see conf/sweep.yaml.

    Args:
        outputs_dir: folder of runs and reports.
        data_root: folder of published data sets.
        epochs: epochs of a shortened variant; None for the epochs of the recipes.
        trainer: option of conf/trainer for the runs.
        pictures: whether each run draws PNG files.
    """

    outputs_dir: Path
    data_root: str
    epochs: int | None
    trainer: str
    pictures: bool


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
        """Save what a report needs: the benchmark and the folder of each cell.

        Args:
            source: the benchmark as plain data.
        """
        cells = [
            {"group": cell.row.group, "row": cell.row.label, "value": cell.value, "seed": cell.seed, "folder": name}
            for cell, name in self.cells
        ]
        plan = {"name": self.benchmark.name, "epochs": self.epochs, "benchmark": dict(source), "cells": cells}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / PLAN, validated(PlanFile, plan, f"plan of {self.benchmark.name}").model_dump())


def make_plan(benchmark: Benchmark, options: SweepOptions) -> Plan:
    """Return the plan of a benchmark.

    Args:
        benchmark: the benchmark, with the seeds to be run.
        options: settings of the sweep.

    Raises:
        ValueError: If overrides do not compose, or a table over epochs is to be shortened.
        DataError: If a file of a data set is missing.
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


class Planner:
    """Convert cells to jobs; configurations that differ only in the seed are composed once.

    Args:
        benchmark: the benchmark.
        options: settings of the sweep.
    """

    def __init__(self, benchmark: Benchmark, options: SweepOptions) -> None:
        self.benchmark, self.options = benchmark, options
        self.study = variant_name(STUDY, options.epochs)
        self.composed: dict[tuple[str, ...], tuple[DictConfig, dict[str, str]]] = {}

    def jobs_of(self, cell: Cell) -> Iterator[Job]:
        """Yield the jobs of a cell; the last one fills the cell."""
        row, value, seed = cell
        testing = self.benchmark.testing(row, value)
        if row.run is None:
            yield from self.solving(cell, testing)
            return
        training = self.training(self.benchmark.training(row, value), seed)
        yield training
        if testing:
            yield self.testing(training, testing)

    def training(self, overrides: Mapping[str, Value], seed: int) -> Job:
        """Return the job that trains a network."""
        options = self.options
        shortening = {} if options.epochs is None else {"recipe.epochs": options.epochs}
        words = [*as_words({**overrides, **shortening}), f"trainer={options.trainer}", *self.path_words()]
        cfg, choices = self.compose(tuple(words))
        cfg.seed, cfg.study = seed, self.study
        run = run_of(cfg, choices)
        own = [f"seed={seed}", f"study={self.study}", f"pictures={hydra_value(options.pictures)}"]
        return Job(
            name=f"runs/{self.study}/{run.name}",
            folder=run.folder,
            commands=(("ptycho-train", *words, *own),),
            after=None,
            epochs=cfg.recipe.epochs,
            kind=(choices["model"], cfg.data.name, choices["split"]),
        )

    def compose(self, words: tuple[str, ...]) -> tuple[DictConfig, dict[str, str]]:
        """Return a configuration of ptycho-train and the option that it takes from each group."""
        if words not in self.composed:
            cfg = hydra.compose("config", list(words), return_hydra_config=True)
            choices = dict(cfg.hydra.runtime.choices)
            with open_dict(cfg):
                del cfg["hydra"]
            self.composed[words] = cfg, choices
        return self.composed[words]

    def testing(self, training: Job, overrides: Mapping[str, Value]) -> Job:
        """Return the job that tests a trained network on other data; its results go to the folder of the run."""
        name = f"{training.name}/tests/{slug(overrides)}"
        folder = self.options.outputs_dir / name
        words = (str(training.folder / "best.ckpt"), *as_words(overrides), f"folder={hydra_value(str(folder))}")
        device = f"device={DEVICES.get(self.options.trainer, 'auto')}"
        words += (device, "pictures=false", *self.path_words())
        return Job(
            name=name, folder=folder, commands=(("ptycho-evaluate", *words),), after=training.name, epochs=0, kind=()
        )

    def solving(self, cell: Cell, scan: Mapping[str, Value]) -> Iterator[Job]:
        """Yield the jobs of a solver: the training of a network, and the solution of that network's test field."""
        network = self.network_for(cell.row)
        training = self.training(self.benchmark.training(network, cell.value), self.benchmark.seeds[0])
        yield training
        scan = {**of_groups(self.benchmark.base, "data", "noise"), **scan}
        simulate = [*as_words(scan), *self.path_words()]
        file = data_set(hydra.compose("simulate", simulate)).only().path
        solve = as_words({**of_groups(self.benchmark.base, "metrics"), **cell.row.solve})
        composed = hydra.compose("reconstruct", ["files=[x]", *solve])
        described = [describe(composed.solver), describe(composed.metrics)]
        identity = sha256([file.name, training.name, PROTOCOL_VERSION, *described])
        name = f"solved/{self.study}/{file.stem}-{slug(cell.row.solve)}-{identity[:10]}"
        folder = self.options.outputs_dir / name
        paths = (
            f"region_of={hydra_value(str(training.folder / 'best.ckpt'))}",
            f"folder={hydra_value(str(folder))}",
            *self.path_words(),
        )
        words = (str(file), *solve, "region=test", "frc=false", "pictures=false", *paths)
        commands = (("ptycho-simulate", *simulate), ("ptycho-reconstruct", *words))
        yield Job(name=name, folder=folder, commands=commands, after=training.name, epochs=0, kind=())

    def network_for(self, solver: Row) -> Row:
        """Return the first network, of the solver's group if there is one, whose test field a solver solves.

        Raises:
            ValueError: If the benchmark has no network.
        """
        networks = [row for row in self.benchmark.rows if row.run is not None]
        if not networks:
            raise ValueError(
                f"benchmark {self.benchmark.name} has a solver and no network whose test field it could solve; add a "
                "row with run"
            )
        return next((row for row in networks if row.group == solver.group), networks[0])

    def path_words(self) -> tuple[str, str]:
        """Return the folders of outputs and data as overrides."""
        return tuple(f"{key}={hydra_value(str(getattr(self.options, key)))}" for key in ("outputs_dir", "data_root"))


def as_words(overrides: Mapping[str, Value]) -> list[str]:
    """Return overrides as words of a command line, choices of options before values inside them.

    >>> as_words({"loss.alpha": 0.5, "loss": "weighted", "split.train_rows": [0, 10], "recipe.scheduler": None})
    ['loss=weighted', 'loss.alpha=0.5', 'split.train_rows=[0,10]', 'recipe.scheduler=null']
    """
    return [f"{key}={hydra_value(value)}" for key, value in sorted(overrides.items(), key=lambda pair: "." in pair[0])]


def hydra_value(value: Value) -> str:
    """Return a value in the syntax of a Hydra override."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(hydra_value, value))}]"
    if isinstance(value, str) and not re.fullmatch(r"(?!null|true|false|nan|inf)[A-Za-z_][\w.-]*", value, re.ASCII):
        return quoted(value)
    return str(value)


def slug(overrides: Mapping[str, Value]) -> str:
    """Return overrides as a short file name.

    >>> slug({"data.overlap_ratio": 0.25, "region": "all"})
    'overlap_ratio-0.25-region-all'
    """
    words = (f"{key.rpartition('.')[2]}-{hydra_value(value)}" for key, value in overrides.items())
    return re.sub(r"[^\w.+-]+", "-", "-".join(words), flags=re.ASCII)
