"""Build network, loss, data and trainer of a training run from its `TrainingSpec`."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np

from ptycho_bench.config.checkpoint import SCHEMA
from ptycho_bench.config.identity import refuse_repeated
from ptycho_bench.config.network import build_model, build_network
from ptycho_bench.config.training import TrainingSpec, refuse_held_out
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.data.split import Split, SplitScan
from ptycho_bench.data.store import read_scan, stream_scan
from ptycho_bench.deployment.metadata import GEOMETRY
from ptycho_bench.losses.base import Loss
from ptycho_bench.losses.by_scan import LossByScan
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.region import ranges_of
from ptycho_bench.training.fit import make_trainer
from ptycho_bench.training.loading.datamodule import PtychoDataModule
from ptycho_bench.training.metrics import validation_metrics
from ptycho_bench.training.module import PtychoModule
from ptycho_bench.training.processes import shares_work


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """A run that is ready to train; nothing has been written yet except simulated scans.

    Args:
        scans: each scan with its split.
        trainer: Lightning's trainer.
        module: network, loss and optimiser.
        data: training and validation batches.
    """

    scans: list[SplitScan]
    trainer: L.Trainer
    module: PtychoModule
    data: PtychoDataModule


def prepare(spec: TrainingSpec, folder: RunFolder) -> TrainingRun:
    """Build a run.

    Args:
        spec: settings of the run.
        folder: folder that the run will be recorded in.

    Raises:
        ValueError: If devices are missing, or a scan does not fit the split.
        DataError: If a scan cannot be used for training.
    """
    L.seed_everything(spec.seed, workers=True, verbose=False)
    trainer = make_trainer(spec.recipe, folder=folder.path, write_row=folder.append_row, **spec.devices)
    model = build_model(spec.network)
    scans = split_scans(spec, stream_scan if spec.run.streamed else read_scan)
    description = {
        "schema": SCHEMA,
        **spec.stored(),
        **fit_scaling(scans, spec.scaling, spec.ranges),
        "test": tested_scans(scans, [scan.words for scan in spec.run.data.scans]),
        "geometry": geometry_of(scans[0].scan.info),
    }
    networks = [build_network(description, model, part.scan.content_hash) for part in scans]
    loss = loss_for_scans(spec.make_loss, scans, networks)
    return TrainingRun(
        scans=scans,
        trainer=trainer,
        module=PtychoModule(
            network=build_network(description, model),
            networks=networks,
            loss=loss,
            recipe=spec.recipe,
            metrics=validation_metrics(spec.protocol.ssim_window),
            description=description,
            options=spec.compute,
        ),
        data=PtychoDataModule(
            scans=scans,
            networks=networks,
            with_intensity=loss.needs_measurement,
            batch_size=spec.recipe.batch_size,
            steps_per_epoch=spec.recipe.steps_per_epoch,
            seed=spec.seed,
            streamed=spec.run.streamed,
        ),
    )


def split_scans(spec: TrainingSpec, read: Callable[[Path], PtychoScan]) -> list[SplitScan]:
    """Return each scan with its split; scans that are missing are simulated.

    Args:
        spec: settings of the run.
        read: function that reads a file, see `data.store`.

    Raises:
        ValueError: If a scan is held out, has no labels, does not fit the split, or is named twice.
    """
    scans = []
    named = spec.run.data.scans
    report = (lambda line: None) if shares_work() else (lambda line: print(line, flush=True))
    for choice in named:
        scan = choice.load(read, report)
        refuse_held_out(scan.info.held_out, choice.words)
        with named_error(choice.words, len(named)):
            scan.require_labels()
            split: Split = spec.split(scan=scan)
        scans.append(SplitScan(choice.name, scan, split))
    refuse_repeated((choice.words, part.scan.content_hash) for choice, part in zip(named, scans, strict=True))
    return scans


@contextmanager
def named_error(words: str, count: int) -> Iterator[None]:
    """Add to an error inside the block which of `count` scans it is about, if there are several."""
    try:
        yield
    except ValueError as error:
        if count == 1:
            raise
        raise ValueError(f"{words}: {error}") from error


def fit_scaling(scans: Sequence[SplitScan], scaling: str, ranges: str) -> dict:
    """Return the scaling part of a checkpoint's description.

    Args:
        scans: scans with their splits.
        scaling: `joint` or `own`, see `TrainingSpec`.
        ranges: `training`: from the training part of each scan; `all`: from all its points.
    """
    points = [part.split.train if ranges == "training" else np.arange(len(part.scan)) for part in scans]
    parts = [(part.scan, used) for part, used in zip(scans, points, strict=True)]
    joint = {"scaling": dataclasses.asdict(Scaling.over(parts))}
    if scaling == "joint" or len(scans) == 1:
        return joint
    own = {scan.content_hash: dataclasses.asdict(Scaling.of(scan, used)) for scan, used in parts}
    return {**joint, "own_scaling": own}


def loss_for_scans(
    make_loss: Callable[[], Loss], scans: Sequence[SplitScan], networks: Sequence[PtychoNetwork]
) -> Loss:
    """Return the loss; if it compares with measured patterns, it knows how each scan was measured.

    Raises:
        DataError: If it needs a probe that a scan does not have.
    """
    loss = make_loss()
    if not loss.needs_measurement:
        return loss
    losses = [loss, *(make_loss() for _ in scans[1:])]
    for one, part in zip(losses, scans, strict=True):
        with named_error(part.name, len(scans)):
            one.attach(part.scan.measurement())
    return loss if len(scans) == 1 else LossByScan(losses, [network.decode for network in networks])


def tested_scans(scans: Sequence[SplitScan], words: Sequence[str]) -> list[dict]:
    """Return the tested part of each scan, as the checkpoint stores it."""
    return [
        {"name": part.name, "words": text, **tested_points(part.scan, part.split)}
        for part, text in zip(scans, words, strict=True)
    ]


def tested_points(scan: PtychoScan, split: Split) -> dict:
    """Return the tested and the training points of a scan, and the rectangle that the tested patches cover.

    The rectangle, [first row, end row, first column, end column] in object pixels, is for other scans of the field.
    """
    positions = scan.positions_px[split.test]
    (top, left), (bottom, right) = positions.min(axis=0), positions.max(axis=0) + scan.patch_px
    return {
        "content_hash": scan.content_hash,
        "points": split.test.tolist(),
        "train": ranges_of(split.train),
        "region_px": [float(edge) for edge in (top, bottom, left, right)],
    }


def geometry_of(info: ScanInfo) -> dict[str, float | None]:
    """Return how a scan was measured, in metres and electronvolts; None if unknown."""
    return {name: getattr(info, name) for name in GEOMETRY}
