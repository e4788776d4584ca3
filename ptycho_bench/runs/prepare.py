"""Everything one training run is made of, built from a composed configuration and checked."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning as L
from omegaconf import DictConfig, OmegaConf

from ptycho_bench.config.build import build, build_loss, build_model, build_network, check_forward, check_type, plain
from ptycho_bench.config.datasets import common_pattern_px, load_scan
from ptycho_bench.config.identity import SCHEMA, refuse_twice
from ptycho_bench.config.scans import ScanChoice, scan_choices
from ptycho_bench.config.streaming import streams
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.data.split import Split, SplitScan
from ptycho_bench.data.store import read_scan, stream_scan
from ptycho_bench.deployment.metadata import GEOMETRY
from ptycho_bench.evaluation.evaluate import MetricProtocol
from ptycho_bench.losses.base import Loss
from ptycho_bench.losses.by_scan import LossByScan
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.training.compute_options import ComputeOptions
from ptycho_bench.training.fit import make_trainer
from ptycho_bench.training.loading.datamodule import PtychoDataModule
from ptycho_bench.training.module import PtychoModule
from ptycho_bench.training.processes import shares_work
from ptycho_bench.training.recipe import Recipe

SCALINGS = ("joint", "own")


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything one run is made of, built and checked; nothing of it written but the data sets."""

    scans: list[SplitScan]
    protocol: MetricProtocol
    trainer: L.Trainer
    module: PtychoModule
    data: PtychoDataModule


def prepare(cfg: DictConfig, choices: dict[str, str], folder: RunFolder, name: str) -> Job:
    """Build a run. What can be refused without data is refused before any is made.

    Args:
        cfg: composed configuration of ptycho-train.
        choices: name of the file taken from each group of conf/.
        folder: where the run will be recorded.
        name: of the run.
    """
    check_type("seed", cfg.seed, int)
    if cfg.scaling not in SCALINGS:
        raise ValueError(f"scaling must be {' or '.join(SCALINGS)}, got {cfg.scaling!r}; one scan has one scaling")
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    loss = build_loss(cfg.loss, cfg.amplitude, cfg.phase)
    recipe: Recipe = build(cfg.recipe)
    speed, devices = trainer_options(cfg)
    speed.check_clipping(recipe.clip_norm, devices["precision"])
    trainer = make_trainer(recipe, folder=folder.path, write_row=folder.append_row, **devices)
    protocol: MetricProtocol = build(cfg.metrics)
    named = scan_choices(cfg)
    for choice in named:
        refuse_held_out(choice.cfg.data.get("held_out", False), choice.words)
    description = {"schema": SCHEMA, "run": name, "choices": choices, "size_px": common_pattern_px(named)}
    protocol.check(description["size_px"])
    description |= {part: plain(cfg[part]) for part in ("model", "input", "amplitude", "phase")}
    check_forward(description)
    model = build_model(description)

    streamed = streams(cfg)
    scans = parted_scans(cfg, named, stream_scan if streamed else read_scan)
    description |= fit_scaling(scans, cfg.scaling)
    description["test"] = tested_patches(scans, named)
    description["geometry"] = geometry_of(scans[0].scan.info)
    description["config"] = OmegaConf.to_container(cfg, resolve=False)  # paths stay relative to data_root
    networks = [build_network(description, model, part.scan.content_hash) for part in scans]
    return Job(
        scans=scans,
        protocol=protocol,
        trainer=trainer,
        module=PtychoModule(
            network=build_network(description, model),
            loss=loss_for_scans(cfg, loss, scans, networks),
            recipe=recipe,
            description=description,
            speed=speed,
        ),
        data=PtychoDataModule(
            scans=scans,
            networks=networks,
            with_intensity=loss.needs_measurement,
            batch_size=recipe.batch_size,
            seed=cfg.seed,
            streamed=streamed,
        ),
    )


def trainer_options(cfg: DictConfig) -> tuple[ComputeOptions, dict]:
    """What conf/trainer says of how a network is computed, and of where: what `make_trainer` takes."""
    options = plain(cfg.trainer)
    names = [field.name for field in dataclasses.fields(ComputeOptions)]
    if lacking := [name for name in names if name not in options]:
        raise ValueError(f"trainer lacks {', '.join(lacking)}; conf/trainer/auto.yaml has all it takes")
    speed = {name: options.pop(name) for name in names}
    return build({"_target_": f"{ComputeOptions.__module__}.{ComputeOptions.__qualname__}", **speed}), options


def parted_scans(cfg: DictConfig, named: Sequence[ScanChoice], read: Callable[[Path], PtychoScan]) -> list[SplitScan]:
    """Each scan, made where it is missing, with its split.

    Args:
        cfg: composed configuration of ptycho-train.
        named: the scans.
        read: see `load_scan`.

    Raises:
        ValueError: one that is held out, has no labels or does not fit the split, or the same one twice.
    """
    scans = []
    for choice in named:
        scan = load_scan(choice.cfg, say=not shares_work(), read=read)
        refuse_held_out(scan.info.held_out, choice.words)
        with named_error(choice.words, len(named)):
            scan.require_labels()
            split: Split = build(cfg.split, scan=scan)
        scans.append(SplitScan(choice.name, scan, split))
    refuse_twice((choice.words, part.scan.content_hash) for choice, part in zip(named, scans, strict=True))
    return scans


@contextmanager
def named_error(words: str, count: int) -> Iterator[None]:
    """An error inside says which of `count` scans it is about, where there are several."""
    try:
        yield
    except ValueError as error:
        if count == 1:
            raise
        raise ValueError(f"{words}: {error}") from error


def refuse_held_out(held_out: bool, words: str) -> None:
    """Raise ValueError for a data set that is there for testing alone."""
    if held_out:
        raise ValueError(
            f"{words} is held out: it is never trained on; score a trained network on it with ptycho-evaluate "
            f"CHECKPOINT {words} region=all"
        )


def fit_scaling(scans: Sequence[SplitScan], scaling: str) -> dict:
    """What the description of a checkpoint says of scaling, from the training parts."""
    joint = Scaling.over([(part.scan, part.split.train) for part in scans])
    if scaling == "joint" or len(scans) == 1:
        return {"scaling": dataclasses.asdict(joint)}
    own = {part.scan.content_hash: dataclasses.asdict(Scaling.of(part.scan, part.split.train)) for part in scans}
    return {"scaling": dataclasses.asdict(joint), "own_scaling": own}


def loss_for_scans(cfg: DictConfig, loss: Loss, scans: Sequence[SplitScan], networks: Sequence[PtychoNetwork]) -> Loss:
    """The loss, knowing how each scan was measured where it needs to.

    Raises:
        DataError: it needs a probe that a scan does not have.
    """
    if not loss.needs_measurement:
        return loss
    losses = [loss, *(build_loss(cfg.loss, cfg.amplitude, cfg.phase) for _ in scans[1:])]
    for one, part in zip(losses, scans, strict=True):
        with named_error(part.name, len(scans)):
            one.attach(part.scan.measurement())
    return loss if len(scans) == 1 else LossByScan(losses, [network.decode for network in networks])


def tested_patches(scans: Sequence[SplitScan], named: Sequence[ScanChoice]) -> dict | list[dict]:
    """Which patches are tested of the one scan; of several, a list that also names each."""
    if len(scans) == 1:
        return tested_of(scans[0].scan, scans[0].split)
    return [
        {"name": choice.name, "words": choice.words, **tested_of(part.scan, part.split)}
        for choice, part in zip(named, scans, strict=True)
    ]


def geometry_of(info: ScanInfo) -> dict[str, float | None]:
    """How a scan was measured, of several the first: metres and electronvolt; None where it is not known."""
    return {name: getattr(info, name) for name in GEOMETRY}


def tested_of(scan: PtychoScan, split: Split) -> dict:
    """Which patches were tested: their points in the data of that hash, and the rectangle of object pixels
    [first row, end row, first column, end column] they cover, for other scans of the same field."""
    positions = scan.positions_px[split.test]
    (top, left), (bottom, right) = positions.min(axis=0), positions.max(axis=0) + scan.patch_px
    return {
        "content_hash": scan.content_hash,
        "points": split.test.tolist(),
        "region_px": [float(edge) for edge in (top, bottom, left, right)],
    }
