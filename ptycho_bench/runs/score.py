"""Score a trained network on points of a scan: metrics, table, per-patch file, pictures; for train and evaluate."""

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.atomic import write_bytes
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.versions import PROTOCOL_VERSION
from ptycho_bench.evaluation.evaluate import Evaluation, Images, MetricProtocol, evaluate
from ptycho_bench.network.neighbours import compact_table, neighbour_table
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.records.console import print_metrics
from ptycho_bench.records.pictures import draw_field, draw_losses, draw_patches
from ptycho_bench.records.run_folder import write_table

SAMPLES = 4


class Scored(NamedTuple):
    """What scoring a network on one scan yields.

    result: metrics and fields.
    table: columns of patches.csv, one value a point.
    inference: patterns, seconds and device, as results.json has them.
    """

    result: Evaluation
    table: dict[str, Sequence]
    inference: dict


def score_network(
    network: PtychoNetwork,
    scan: PtychoScan,
    points: np.ndarray,
    *,
    protocol: MetricProtocol,
    batch_size: int,
    folder: Path,
    title: str,
    pictures: bool,
    rows: list[dict[str, float]] | None,
) -> dict:
    """Predict, measure, print and draw.

    Args:
        network: trained.
        scan: with truth.
        points: indices of the points to score.
        protocol: how metrics are taken.
        batch_size: patterns predicted at once.
        folder: gets patches.csv, field.npz and pictures/.
        title: of table and pictures.
        pictures: draw PNG files.
        rows: metrics.csv, for the loss curves; or None.

    Returns:
        `metrics` and `inference` parts of results.json.
    """
    scored = score_scan(
        network, scan, points, protocol=protocol, batch_size=batch_size, folder=folder, suffix="",
        title=title if pictures else None,
    )  # fmt: skip
    write_table(folder / "patches.csv", scored.table)
    if pictures and rows:
        draw_losses(folder / "pictures" / "losses.png", rows)
    summary = scored.result.summary()
    print_metrics(f"{title}: {len(points)} test patches of {scan.info.origin}", summary)
    print(f"-> {folder}", flush=True)
    return {"metrics": measured_by(protocol, summary), "inference": scored.inference}


def measured_by(protocol: MetricProtocol, summary: dict) -> dict:
    """The `metrics` part of results.json."""
    return {"protocol_version": PROTOCOL_VERSION, "protocol": vars(protocol), **summary}


def score_scan(
    network: PtychoNetwork,
    scan: PtychoScan,
    points: np.ndarray,
    *,
    protocol: MetricProtocol,
    batch_size: int,
    folder: Path,
    suffix: str,
    title: str | None,
) -> Scored:
    """Predict and measure one scan; write its field, and its pictures where they have a title.

    Args:
        network: see `score_network`, as what is not named here.
        scan: likewise.
        points: likewise.
        protocol: likewise.
        batch_size: likewise.
        folder: likewise.
        suffix: of the names of files.
        title: of pictures; None draws none.
    """
    intensity, amplitude, phase = scan.tensors(points)
    radius = network.input_transform.neighbours
    everywhere = np.arange(len(scan)) if radius else points  # in a test every measured pattern may be looked at
    around = neighbour_table(scan.scan_index, points, radius, everywhere)
    places, seen = compact_table(around)
    measured = scan.patterns(everywhere[places]) if radius else intensity
    started_s = time.perf_counter()
    parts = [
        [image.cpu() for image in network.predict(measured, batch_size=batch_size, neighbours=rows)]
        for rows in seen.split(batch_size)
    ]  # the device holds a batch
    pred = Images(*(torch.cat(part) for part in zip(*parts, strict=True)))
    seconds = time.perf_counter() - started_s
    truth = Images(amplitude, phase)
    positions = torch.from_numpy(scan.positions_px[points])
    result = evaluate(
        pred, truth, positions, scaling=network.scaling, protocol=protocol, circular=network.phase.circular
    )
    write_field(folder / f"field{suffix}.npz", result)
    chosen = telling_patches(truth)
    samples = [Images(*(image[chosen] for image in images)) for images in (truth, pred)]
    write_samples(folder / f"samples{suffix}.npz", points[chosen.numpy()], *samples)
    if title is not None:
        pictures = folder / "pictures"
        draw_field(pictures / f"field{suffix}.png", result.truth, result.field, title)
        places = scan.scan_index[points[chosen.numpy()]]
        labels = [f"row {row}, column {column}" for row, column in places]
        draw_patches(pictures / f"patches{suffix}.png", intensity[chosen].numpy(), *samples, labels)
    place = {"point": points, "scan_row": scan.scan_index[points, 0], "scan_column": scan.scan_index[points, 1]}
    place |= {"y_px": scan.positions_px[points, 0], "x_px": scan.positions_px[points, 1]}
    device = str(next(network.parameters()).device)
    return Scored(
        result=result,
        table={**place, **{name: values.tolist() for name, values in result.patches.items()}},
        inference={"patterns": len(points), "seconds": seconds, "device": device},
    )


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays as NPZ."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def write_field(path: Path, result: Evaluation) -> None:
    """Stitched prediction and truth."""
    names = {"amplitude": result.field.amplitude, "phase": result.field.phase}
    names |= {"true_amplitude": result.truth.amplitude, "true_phase": result.truth.phase, "covered": result.covered}
    write_arrays(path, {name: image.numpy() for name, image in names.items()})


def write_samples(path: Path, points: np.ndarray, truth: Images, pred: Images) -> None:
    """A few test patches, (n, H, W), and which points of the scan they are."""
    names = {"amplitude": pred.amplitude, "phase": pred.phase}
    names |= {"true_amplitude": truth.amplitude, "true_phase": truth.phase}
    write_arrays(path, {"point": points, **{name: image.numpy() for name, image in names.items()}})


def telling_patches(truth: Images) -> Tensor:
    """Which patches to show, int64 (n,): spread evenly over those whose truth varies most."""
    contrast = truth.amplitude.flatten(1).std(dim=1) + truth.phase.flatten(1).std(dim=1)
    telling = torch.nonzero(contrast >= contrast.median()).flatten()
    return telling[torch.linspace(0, len(telling) - 1, min(SAMPLES, len(telling))).long()]
