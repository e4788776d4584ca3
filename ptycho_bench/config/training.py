"""Build a `TrainingSpec`, plain values and checked objects, from the configuration of ptycho-train."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from omegaconf import DictConfig, OmegaConf

from ptycho_bench.config.build import build, check_type
from ptycho_bench.config.datasets import Simulated
from ptycho_bench.config.description import KIND, Plain, describe, plain_values, without_paths
from ptycho_bench.config.network import PARTS, build_loss, check_forward
from ptycho_bench.config.run import Run
from ptycho_bench.data.split import Split
from ptycho_bench.evaluation.protocol import MetricProtocol
from ptycho_bench.evaluation.stitch import Stitching
from ptycho_bench.losses.base import Loss
from ptycho_bench.training.compute_options import ComputeOptions
from ptycho_bench.training.recipe import Recipe

SCALINGS = ("joint", "own")
RANGES = ("training", "all")


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """The settings of a training run.

    Args:
        run: name, identity, data and the description of each choice.
        choices: name of the file taken from each group of conf/.
        seed: of weights and training order.
        scaling: `joint`: one range over all scans; `own`: a separate range for each scan.
        ranges: points whose amplitude, phase and intensity set the ranges: those of the `training` part, or `all`.
        split: takes a scan as `scan`; returns its training, validation and test points.
        make_loss: returns a new loss; each scan needs its own if the loss compares with measured patterns.
        recipe: epochs, batch size, optimiser and schedule.
        protocol: how metrics are computed.
        stitching: how patches are stitched.
        compute: memory layout, compilation and similar options.
        devices: accelerator, devices, strategy and precision for `training.fit.make_trainer`.
        make_logger: returns a Lightning logger, given the run's name and folder; None if there is none.
        network: description of model, input, amplitude and phase, with `size_px`.
        pictures: whether to draw PNG files.
        overwrite: whether to train a finished run again.
        text: the whole configuration as YAML, for the record.
    """

    run: Run
    choices: Mapping[str, str]
    seed: int
    scaling: str
    ranges: str
    split: Callable[..., Split]
    make_loss: Callable[[], Loss]
    recipe: Recipe
    protocol: MetricProtocol
    stitching: Stitching
    compute: ComputeOptions
    devices: Mapping[str, Plain]
    make_logger: Callable | None
    network: Mapping[str, Plain]
    pictures: bool
    overwrite: bool
    text: str

    def stored(self) -> dict:
        """Return the part of the configuration that a checkpoint contains: plain values without paths."""
        scans = self.run.data.scans
        simulated = scans[0] if len(scans) == 1 and isinstance(scans[0], Simulated) else None
        return {
            "run": self.run.name,
            "choices": dict(self.choices),
            **self.network,
            "data": None if simulated is None else without_paths(simulated.data),
            "noise": None if simulated is None else without_paths(simulated.noise),
            "metrics": self.run.groups["metrics"],
            "stitch": self.run.groups["stitch"],
        }

    def summary(self) -> str:
        """Return the first line that a run prints: the option that it takes from each group."""
        words = ("data", "split", "noise", "model", "input", "amplitude", "phase", "loss", "recipe")
        return " ".join(f"{word}={self.choices[word]}" for word in words if self.choices.get(word))


def training_spec(cfg: DictConfig, choices: Mapping[str, str], run: Run) -> TrainingSpec:
    """Build the settings and check everything that can be checked before data are read or simulated.

    Args:
        cfg: composed configuration of ptycho-train.
        choices: name of the file taken from each group of conf/.
        run: see `config.run.run_of`.

    Raises:
        ValueError: If a value is impossible, or values do not fit together.
        DataError: If a file of the data set is missing or cannot be read.
    """
    check_type("seed", cfg.seed, int)
    for name in ("pictures", "overwrite"):
        check_type(name, cfg[name], bool)
    if cfg.scaling not in SCALINGS:
        raise ValueError(f"scaling must be {' or '.join(SCALINGS)}, got {cfg.scaling!r}; one scan has one scaling")
    if cfg.ranges not in RANGES:
        raise ValueError(f"ranges must be {' or '.join(RANGES)}, got {cfg.ranges!r}; all includes the test part")
    groups = run.groups
    make_loss = partial(build_loss, groups["loss"], groups["amplitude"], groups["phase"])
    make_loss()
    recipe: Recipe = build(groups["recipe"])
    compute, devices = trainer_options(cfg)
    compute.check_clipping(recipe.clip_norm, devices["precision"])
    protocol: MetricProtocol = build(groups["metrics"])
    stitching: Stitching = build(groups["stitch"])
    for scan in run.data.scans:
        refuse_held_out(scan.held_out, scan.words)
    network = {**{part: groups[part] for part in PARTS}, "size_px": run.data.patch_px()}
    protocol.check(network["size_px"])
    stitching.check(network["size_px"])
    check_forward(network)
    return TrainingSpec(
        run=run,
        choices={group: option for group, option in choices.items() if "/" not in group},
        seed=cfg.seed,
        scaling=cfg.scaling,
        ranges=cfg.ranges,
        split=partial(build, groups["split"]),
        make_loss=make_loss,
        recipe=recipe,
        protocol=protocol,
        stitching=stitching,
        compute=compute,
        devices=devices,
        make_logger=logger_factory(cfg),
        network=network,
        pictures=cfg.pictures,
        overwrite=cfg.overwrite,
        text=OmegaConf.to_yaml(cfg, resolve=True),
    )


def trainer_options(cfg: DictConfig) -> tuple[ComputeOptions, dict]:
    """Return the compute options and the devices of conf/trainer.

    Raises:
        ValueError: If a value is missing or impossible.
    """
    options = plain_values(cfg.trainer)
    fields = dataclasses.fields(ComputeOptions)
    if missing := [field.name for field in fields if field.name not in options]:
        raise ValueError(f"trainer has no {', '.join(missing)}; conf/trainer/auto.yaml lists all values")
    values = {field.name: options.pop(field.name) for field in fields}
    for field in fields:
        check_type(f"trainer.{field.name}", values[field.name], field.type)
    return ComputeOptions(**values), options


def logger_factory(cfg: DictConfig) -> Callable | None:
    """Return a function that makes the logger of conf/logger; None if there is none."""
    described = describe(cfg.logger)
    return partial(build, described, config=plain_values(cfg)) if KIND in described else None


def refuse_held_out(held_out: bool, words: str) -> None:
    """Check that a data set is not for testing only.

    Raises:
        ValueError: If it is.
    """
    if held_out:
        raise ValueError(
            f"{words} is held out: it is never trained on; score a trained network on it with ptycho-evaluate "
            f"CHECKPOINT {words} region=all"
        )
