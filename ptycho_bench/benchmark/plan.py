"""What a benchmark asks for, as jobs: each one folder, filled by one of this project's commands."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf, open_dict

from ptycho_bench.benchmark.definition import Benchmark, Cell, Value
from ptycho_bench.benchmark.shortened import PLAN, plan_folder, variant
from ptycho_bench.config.build import plain
from ptycho_bench.config.datasets import cached_path
from ptycho_bench.config.identity import run_hash, run_name, sha256
from ptycho_bench.config.overrides import quoted
from ptycho_bench.data.versions import PROTOCOL_VERSION
from ptycho_bench.records.run_folder import RunFolder, write_json

STUDY = "benchmark"  # runs of all tables lie together, so that one that several ask for is trained once


@dataclass(frozen=True, kw_only=True)
class Job:
    """What fills one folder.

    Args:
        name: the folder below outputs_dir; no two jobs share one.
        folder: the folder itself.
        commands: each a command with its words, run one after the other.
        after: name of the job whose checkpoint it needs; or None.
        epochs: of a training; 0 of anything else.
        like: model, data and split of a training: those alike take alike.
    """

    name: str
    folder: Path
    commands: tuple[tuple[str, ...], ...]
    after: str | None
    epochs: int
    like: tuple[str, ...]

    def state(self) -> str:
        """See `RunFolder.state`."""
        return RunFolder(self.folder).state()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A benchmark's jobs.

    Args:
        benchmark: the benchmark.
        epochs: of a shortened variant; None: as the recipes have them.
        places: each cell with the name of the job that fills it.
        jobs: by name; a job comes after the one it needs.
        folder: where plan, logs and report go.
    """

    benchmark: Benchmark
    epochs: int | None
    places: list[tuple[Cell, str]]
    jobs: dict[str, Job]
    folder: Path

    def before(self) -> dict | None:
        """The plan that lies there; None: there is none, or it cannot be read."""
        try:
            return json.loads((self.folder / PLAN).read_text())
        except (OSError, ValueError):
            return None

    def write(self, source: Mapping) -> None:
        """Leave what a report needs beside the runs: the benchmark and which folder fills which cell.

        Args:
            source: the benchmark as plain data.
        """
        cells = [
            {"group": cell.row.group, "row": cell.row.label, "value": cell.value, "seed": cell.seed, "folder": name}
            for cell, name in self.places
        ]
        self.folder.mkdir(parents=True, exist_ok=True)
        plan = {"name": self.benchmark.name, "epochs": self.epochs, "benchmark": source, "cells": cells}
        write_json(self.folder / PLAN, plan)


def make_plan(benchmark: Benchmark, cfg: DictConfig) -> Plan:
    """Every job of a benchmark.

    Args:
        benchmark: with the seeds that are wanted.
        cfg: composed configuration of ptycho-sweep.

    Raises:
        ValueError: overrides that do not compose, or a table over epochs that is to be shortened.
        DataError: a file of a data set is missing.
    """
    if cfg.epochs is not None and benchmark.vary is not None and benchmark.vary.key == "recipe.epochs":
        raise ValueError(f"epochs={cfg.epochs} cannot shorten {benchmark.name}, a table over epochs; leave it out")
    planner = Planner(benchmark, cfg)
    jobs: dict[str, Job] = {}
    places = []
    for cell in benchmark.cells():
        made = list(planner.jobs_of(cell))
        jobs |= {job.name: job for job in made}
        places.append((cell, made[-1].name))
    folder = plan_folder(cfg.outputs_dir, benchmark.name, cfg.epochs)
    return Plan(benchmark=benchmark, epochs=cfg.epochs, places=places, jobs=jobs, folder=folder)


class Planner:
    """Turns cells into jobs; a configuration that only the seed tells apart is composed once.

    Args:
        benchmark: the benchmark.
        cfg: composed configuration of ptycho-sweep.
    """

    def __init__(self, benchmark: Benchmark, cfg: DictConfig) -> None:
        self.benchmark, self.cfg = benchmark, cfg
        self.study = variant(STUDY, cfg.epochs)
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def jobs_of(self, cell: Cell) -> Iterator[Job]:
        """What fills a cell; the last job is the one that is reported."""
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
        """The run of ptycho-train that these overrides name."""
        shortened = {} if self.cfg.epochs is None else {"recipe.epochs": self.cfg.epochs}
        words = [*as_words({**overrides, **shortened}), f"trainer={self.cfg.trainer}", *self.places()]
        cfg = self.compose(tuple(words))
        cfg.seed = seed
        choices = dict(cfg.pop("choices"))
        identity = run_hash(cfg)
        name = f"runs/{self.study}/{run_name(cfg, choices, identity)}"
        own = [f"seed={seed}", f"study={self.study}", f"pictures={str(self.cfg.pictures).lower()}"]
        return Job(
            name=name,
            folder=Path(self.cfg.outputs_dir) / name,
            commands=(("ptycho-train", *words, *own),),
            after=None,
            epochs=cfg.recipe.epochs,
            like=(choices["model"], cfg.data.name, choices["split"]),
        )

    def compose(self, words: tuple[str, ...]) -> DictConfig:
        """A configuration of ptycho-train, with the files chosen under `choices`."""
        if words not in self.composed:
            cfg = hydra.compose("config", list(words), return_hydra_config=True)
            with open_dict(cfg):
                cfg.choices = dict(cfg.hydra.runtime.choices)
                del cfg["hydra"]
            self.composed[words] = cfg
        copy = self.composed[words].copy()
        OmegaConf.set_struct(copy, False)
        return copy

    def testing(self, training: Job, overrides: Mapping[str, Value]) -> Job:
        """A trained network on other data; its results lie in the run's folder."""
        name = f"{training.name}/tests/{slug(overrides)}"
        folder = Path(self.cfg.outputs_dir) / name
        words = (str(training.folder / "best.ckpt"), *as_words(overrides), f"folder={word(str(folder))}")
        device = f"device={'cuda' if self.cfg.trainer in ('gpu', 'ddp') else self.cfg.trainer}"
        words += (device, "pictures=false", *self.places())
        return Job(
            name=name, folder=folder, commands=(("ptycho-evaluate", *words),), after=training.name, epochs=0, like=()
        )

    def solving(self, cell: Cell, scan: Mapping[str, Value]) -> Iterator[Job]:
        """A solver on the field that the first network of the benchmark was tested on, first trained for it."""
        network = next((row for row in self.benchmark.rows if row.run is not None), None)
        if network is None:
            raise ValueError(f"benchmark {self.benchmark.name} has a solver's row, but no network's field to solve")
        training = self.training(self.benchmark.training(network, cell.value), self.benchmark.seeds[0])
        yield training
        scan = {**of_groups(self.benchmark.base, "data", "noise"), **scan}
        simulate = [*as_words(scan), *self.places()]
        file = cached_path(hydra.compose("simulate", simulate))
        solve = as_words({**of_groups(self.benchmark.base, "metrics"), **cell.row.solve})
        composed = hydra.compose("reconstruct", ["files=[x]", *solve])
        what = [file.name, training.name, PROTOCOL_VERSION, plain(composed.solver), plain(composed.metrics)]
        name = f"solved/{self.study}/{file.stem}-{slug(cell.row.solve)}-{sha256(what)[:10]}"
        folder = Path(self.cfg.outputs_dir) / name
        places = (f"region_of={word(str(training.folder / 'best.ckpt'))}", f"folder={word(str(folder))}")
        words = (str(file), *solve, "region=test", "frc=false", "pictures=false", *places, *self.places())
        commands = (("ptycho-simulate", *simulate), ("ptycho-reconstruct", *words))
        yield Job(name=name, folder=folder, commands=commands, after=training.name, epochs=0, like=())

    def places(self) -> tuple[str, str]:
        """Where data and outputs lie, as words."""
        return tuple(f"{key}={word(str(self.cfg[key]))}" for key in ("outputs_dir", "data_root"))


def of_groups(overrides: Mapping[str, Value], *groups: str) -> dict[str, Value]:
    """Those of some overrides that are about some groups."""
    return {key: value for key, value in overrides.items() if key.partition(".")[0] in groups}


def as_words(overrides: Mapping[str, Value]) -> list[str]:
    """Overrides as a command line has them; choices of files come before values in them.

    >>> as_words({"loss.alpha": 0.5, "loss": "weighted", "split.train_rows": [0, 10], "recipe.scheduler": None})
    ['loss=weighted', 'loss.alpha=0.5', 'split.train_rows=[0,10]', 'recipe.scheduler=null']
    """
    return [f"{key}={word(value)}" for key, value in sorted(overrides.items(), key=lambda pair: "." in pair[0])]


def word(value: Value) -> str:
    """A value as Hydra reads it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(word, value))}]"
    if isinstance(value, str) and not re.fullmatch(r"(?!null|true|false|nan|inf)[A-Za-z_][\w.-]*", value, re.ASCII):
        return quoted(value)
    return str(value)


def slug(overrides: Mapping[str, Value]) -> str:
    """Overrides as a short file name.

    >>> slug({"data.overlap_ratio": 0.25, "region": "all"})
    'overlap_ratio-0.25-region-all'
    """
    return re.sub(r"[^\w.+-]+", "-", "-".join(f"{key.rpartition('.')[2]}-{word(v)}" for key, v in overrides.items()))
