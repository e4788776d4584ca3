"""Convert the cells of a benchmark to jobs, with the commands of this project that fill their folders."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import hydra
from omegaconf import DictConfig, OmegaConf, open_dict

from ptycho_bench.benchmark.definition import Benchmark, Cell
from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.benchmark.plan_file import variant_name
from ptycho_bench.benchmark.rows import Row, of_groups
from ptycho_bench.benchmark.validation import Value
from ptycho_bench.benchmark.words import as_words, below_here, differences, hydra_value, slug
from ptycho_bench.config.data_choice import data_set
from ptycho_bench.config.datasets import ScanFile, Simulated
from ptycho_bench.config.description import describe
from ptycho_bench.config.identity import profile_name, sha256
from ptycho_bench.config.run import run_of
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.versions import PROTOCOL_VERSION
from ptycho_bench.records.costs import PROFILED

DEVICES = {"cpu": "cpu", "gpu": "cuda", "ddp": "cuda"}  # of other commands than ptycho-train, by its trainer
STUDY = "benchmark"  # all tables share one study, so that a run that several tables need is trained once
Found = TypeVar("Found")
MEASURES = ("metrics", "stitch")  # groups that determine how a solver's object is scored


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

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, or null for those of the recipes, got {self.epochs}")


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training as planned.

    Args:
        job: its job.
        cfg: its configuration.
        choices: option that it takes from each group.
    """

    job: Job
    cfg: DictConfig
    choices: Mapping[str, str]


class Planner:
    """Converts cells to jobs; configurations that differ only in the seed are composed once.

    Args:
        benchmark: the benchmark.
        options: settings of the sweep.
    """

    def __init__(self, benchmark: Benchmark, options: SweepOptions) -> None:
        self.benchmark = benchmark
        self.options = dataclasses.replace(
            options, outputs_dir=below_here(options.outputs_dir), data_root=str(below_here(Path(options.data_root)))
        )
        self.study = variant_name(STUDY, options.epochs)
        self.profiled = not set(PROFILED).isdisjoint(benchmark.metrics)
        self.composed: dict[tuple[str, ...], tuple[DictConfig, dict[str, str]]] = {}
        self.sizes: dict[str, int] = {}

    def jobs_of(self, cell: Cell) -> Iterator[Job]:
        """Yield the jobs of a cell; the last one fills the cell."""
        row, value, seed = cell
        network = row if row.run is not None else self.benchmark.network_for(row)
        training = self.training(network, value, self.benchmark.seeds[0] if seed is None else seed)
        if row.run is not None and self.profiled:
            yield self.profiling(training)
        yield training.job
        testing = self.benchmark.testing(row, value, seed)
        if of_groups(testing, "data", "noise"):
            testing = {**testing, "metrics.scaled_by": "field"}  # also where the data equal those of the training
        if row.solve is not None:
            yield self.solving(row, training, testing)
        elif testing:
            yield self.testing(training, testing)

    def training(self, row: Row, value: Value, seed: int) -> Training:
        """Return the training of a network."""
        options = self.options
        shortening = {} if options.epochs is None else {"recipe.epochs": options.epochs}
        overrides = {**self.benchmark.training(row, value), **shortening}
        words = (*as_words(overrides), f"trainer={options.trainer}", *self.path_words())
        cfg, choices = self.compose("config", words)
        cfg.seed, cfg.study = seed, self.study
        for key in self.benchmark.seeded:
            if OmegaConf.select(cfg, key) is None:
                raise ValueError(f"benchmark {self.benchmark.name}: no key {key} in {row.label!r}, which seeded names")
            OmegaConf.update(cfg, key, seed)
        seeds = [f"{key}={seed}" for key in ("seed", *self.benchmark.seeded)]
        own = [*seeds, f"study={self.study}", f"pictures={hydra_value(options.pictures)}"]
        provisional = f"{choices['model']}-s{seed}-{sha256([*words, *own])[:10]}"
        name, problem = with_problem(lambda: run_of(cfg, choices).name, provisional)
        job = self.job(f"runs/{self.study}/{name}", ("ptycho-train", *words, *own), problem=problem)
        kind = (choices["model"], cfg.data.name, choices["split"], choices["recipe"])
        return Training(job=dataclasses.replace(job, epochs=cfg.recipe.epochs, kind=kind), cfg=cfg, choices=choices)

    def profiling(self, training: Training) -> Job:
        """Return the job that measures the cost of a network; networks that differ in their seed share it."""
        from ptycho_bench.config.device import device_named
        from ptycho_bench.config.network import PARTS

        cfg, choices = training.cfg, training.choices
        device = DEVICES.get(self.options.trainer) or device_named("auto")
        words = self.taken("profile", training, PARTS)
        size_px, problem = with_problem(lambda: self.pattern_px(cfg), 0)
        name = profile_name({part: describe(cfg[part]) for part in PARTS}, choices, size_px, device)
        measured = (f"size_px={size_px}", "batch_sizes=[1]", f"device={device}")
        command = ("ptycho-profile", *words, *measured, *self.path_words())
        return dataclasses.replace(self.job(f"profiles/{name}", command, problem=problem), alone=True)

    def pattern_px(self, cfg: DictConfig) -> int:
        """Return the side of the patterns of a training."""
        data = data_set(cfg)
        identity = data.identity()
        if identity not in self.sizes:
            self.sizes[identity] = data.patch_px()
        return self.sizes[identity]

    def testing(self, training: Training, overrides: Mapping[str, Value]) -> Job:
        """Return the job that scores a network, or a reference predictor, on a scan; the run's folder contains it."""
        trained, inherited = training.job, ("data", "noise", *MEASURES)
        choices = [f"{group}={training.choices[group]}" for group in inherited if group not in overrides]
        self.compose("evaluate", (*choices, *as_words(overrides), *self.path_words()))  # refuses bad words
        problem, scan = trained.problem, None
        if "data" in overrides and problem is None:
            words = (*as_words(of_groups(overrides, "data", "noise")), *self.path_words())
            scan, problem = with_problem(lambda: self.simulated(words).identity(), None)
        name = f"{trained.name}/tests/{slug(overrides)}-{sha256([dict(overrides), scan])[:10]}"
        words = (checkpoint_of(trained), *as_words(overrides), f"folder={self.folder_word(name)}", self.device_word())
        command = ("ptycho-evaluate", *words, "pictures=false", *self.path_words())
        return self.job(name, command, after=trained.name, problem=problem)

    def solving(self, row: Row, training: Training, testing: Mapping[str, Value]) -> Job:
        """Return the job of a solver, which solves the test field of a network, on the scan of its training."""
        scan = of_groups(testing, "data", "noise")
        taken = self.taken("simulate", training, [group for group in ("noise", "data") if group not in scan])
        simulate = (*taken, *as_words(scan), *self.path_words())
        score = {key: value for key, value in testing.items() if key not in scan}
        solve = [*self.taken("reconstruct", training, MEASURES), *as_words({**row.solve, "region": "test", **score})]
        problem, file = training.job.problem, Path(f"{sha256(list(simulate))[:10]}.h5")
        if problem is None:
            file, problem = with_problem(lambda: self.simulated(simulate).path, file)
        composed, _ = self.compose("reconstruct", tuple(solve))
        described = [describe(composed[group]) for group in ("solver", *MEASURES)]
        identity = sha256([file.name, training.job.name, PROTOCOL_VERSION, *described, *as_words(score)])
        name = f"solved/{self.study}/{file.stem}-{slug(row.solve)}-{identity[:10]}"
        paths = (f"region_of={hydra_value(checkpoint_of(training.job))}", f"folder={self.folder_word(name)}")
        options = ("frc=false", "pictures=false", self.device_word(), *paths, *self.path_words())
        reconstruct = ("ptycho-reconstruct", str(file), *solve, *options)
        return self.job(name, ("ptycho-simulate", *simulate), reconstruct, after=training.job.name, problem=problem)

    def job(self, name: str, *commands: tuple[str, ...], after: str | None = None, problem: str | None = None) -> Job:
        """Return a job that trains no network."""
        folder = self.options.outputs_dir / name
        return Job(name=name, folder=folder, commands=commands, after=after, epochs=0, kind=(), problem=problem)

    def compose(self, root: str, words: tuple[str, ...]) -> tuple[DictConfig, dict[str, str]]:
        """Return the configuration of a command and the option that it takes from each group."""
        if (root, *words) not in self.composed:
            cfg = hydra.compose(root, list(words), return_hydra_config=True)
            choices = dict(cfg.hydra.runtime.choices)
            with open_dict(cfg):
                del cfg["hydra"]
            self.composed[root, *words] = cfg, choices
        return self.composed[root, *words]

    def simulated(self, words: tuple[str, ...]) -> Simulated | ScanFile:
        """Return the scan that words of ptycho-simulate name."""
        return data_set(self.compose("simulate", words)[0]).only()

    def taken(self, root: str, training: Training, groups: Sequence[str]) -> list[str]:
        """Return the words by which another command takes the choices and values of a training in some groups."""
        words = [f"{group}={training.choices[group]}" for group in groups]
        found, _ = self.compose(root, (*words, *self.path_words()))
        return [*words, *as_words(differences(training.cfg, found, groups))]

    def path_words(self) -> tuple[str, str]:
        """Return the folders of outputs and data as overrides."""
        return tuple(f"{key}={hydra_value(str(getattr(self.options, key)))}" for key in ("outputs_dir", "data_root"))

    def folder_word(self, name: str) -> str:
        """Return the folder of a job as the value of an override."""
        return hydra_value(str(self.options.outputs_dir / name))

    def device_word(self) -> str:
        """Return the device of a command that does not train, as an override."""
        return f"device={DEVICES.get(self.options.trainer, 'auto')}"


def with_problem(find: Callable[[], Found], provisional: Found) -> tuple[Found, str | None]:
    """Return what a function finds and None or, if data are missing, a provisional value and the reason."""
    try:
        return find(), None
    except DataError as error:
        return provisional, str(error)


def checkpoint_of(training: Job) -> str:
    """Return the checkpoint that a training leaves."""
    return str(training.folder / "best.ckpt")
