"""Score a trained network on points of a scan, in three steps: evaluate, write, draw."""

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
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
from ptycho_bench.records.pictures import draw_field, draw_patches
from ptycho_bench.records.run_folder import write_table

SAMPLES = 4


class Scored(NamedTuple):
    """A network's predictions for one scan, measured.

    name: name of the scan.
    origin: how the scan's data were obtained.
    result: metrics and stitched fields.
    columns: columns of patches.csv, one value for each scored point.
    samples: some patches, for pictures.
    inference: patterns, seconds and device, as results.json has them.
    """

    name: str
    origin: str
    result: Evaluation
    columns: dict[str, Sequence]
    samples: "Samples"
    inference: dict


class Samples(NamedTuple):
    """A few scored patches.

    points: int64 (n,), indices of scan points.
    labels: n texts.
    intensity: float32 (n, H, W), photons.
    truth: (n, H, W) amplitude and phase (radians).
    prediction: (n, H, W) amplitude and phase (radians).
    """

    points: np.ndarray
    labels: list[str]
    intensity: np.ndarray
    truth: Images
    prediction: Images


def evaluate_scan(
    network: PtychoNetwork,
    scan: PtychoScan,
    points: np.ndarray,
    *,
    name: str,
    protocol: MetricProtocol,
    batch_size: int,
) -> Scored:
    """Predict and measure patches; write and print nothing.

    Args:
        network: the trained network, on its device.
        scan: the scan, with amplitude and phase.
        points: int64 (n,), indices of the points to score.
        name: name of the scan.
        protocol: how metrics are computed.
        batch_size: patterns predicted at once.
    """
    intensity, amplitude, phase = scan.tensors(points)
    measured, seen = visible_patterns(network, scan, points, intensity)
    started_s = time.perf_counter()
    pred = predict(network, measured, seen, batch_size)
    seconds = time.perf_counter() - started_s
    truth = Images(amplitude, phase)
    positions = torch.from_numpy(scan.positions_px[points])
    result = evaluate(
        pred, truth, positions, scaling=network.scaling, protocol=protocol, circular=network.phase.circular
    )
    columns = {"point": points, "scan_row": scan.scan_index[points, 0], "scan_column": scan.scan_index[points, 1]}
    columns |= {"y_px": scan.positions_px[points, 0], "x_px": scan.positions_px[points, 1]}
    return Scored(
        name=name,
        origin=scan.info.origin,
        result=result,
        columns={**columns, **{metric: values.tolist() for metric, values in result.patches.items()}},
        samples=choose_samples(scan, points, intensity, truth, pred),
        inference={"patterns": len(points), "seconds": seconds, "device": str(network.device)},
    )


def visible_patterns(
    network: PtychoNetwork, scan: PtychoScan, points: np.ndarray, intensity: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the patterns that the network needs, float32 (m, H, W), and their indices for each point, int64 (n, K)."""
    radius = network.neighbours
    visible = np.arange(len(scan)) if radius else points  # every measured pattern may be used in testing
    places, seen = compact_table(neighbour_table(scan.scan_index, points, radius, visible))
    return (scan.patterns(visible[places]) if radius else intensity), seen


def predict(network: PtychoNetwork, measured: Tensor, seen: Tensor, batch_size: int) -> Images:
    """Return predicted amplitude and phase, float32 (n, H, W) on the CPU; the device holds one batch at a time."""
    parts = [
        [image.cpu() for image in network.predict(measured, batch_size=batch_size, neighbours=rows)]
        for rows in seen.split(batch_size)
    ]
    return Images(*(torch.cat(part) for part in zip(*parts, strict=True)))


def choose_samples(scan: PtychoScan, points: np.ndarray, intensity: Tensor, truth: Images, pred: Images) -> Samples:
    """Return a few patches, spread evenly over those whose truth varies most."""
    contrast = truth.amplitude.flatten(1).std(dim=1) + truth.phase.flatten(1).std(dim=1)
    varied = torch.nonzero(contrast >= contrast.median()).flatten()
    chosen = varied[torch.linspace(0, len(varied) - 1, min(SAMPLES, len(varied))).long()]
    sampled = points[chosen.numpy()]
    return Samples(
        points=sampled,
        labels=[f"row {row}, column {column}" for row, column in scan.scan_index[sampled]],
        intensity=intensity[chosen].numpy(),
        truth=Images(*(image[chosen] for image in truth)),
        prediction=Images(*(image[chosen] for image in pred)),
    )


def pooled(results: Sequence[Evaluation]) -> Evaluation:
    """Return the metrics of all patches, and the mean over scans of each stitched value; the fields are the first's."""
    first = results[0]
    return first._replace(
        patches={name: torch.cat([result.patches[name] for result in results]) for name in first.patches},
        stitched={name: fmean(result.stitched[name] for result in results) for name in first.stitched},
    )


def metrics_record(protocol: MetricProtocol, result: Evaluation) -> dict:
    """Return the `metrics` part of results.json."""
    return {"protocol_version": PROTOCOL_VERSION, "protocol": vars(protocol), **result.aggregate()}


def scores_record(protocol: MetricProtocol, scored: Sequence[Scored]) -> dict:
    """Return `metrics` and `inference` of results.json, over all scans."""
    used = [one.inference for one in scored]
    inference = {key: sum(one[key] for one in used) for key in ("patterns", "seconds")}
    result = scored[0].result if len(scored) == 1 else pooled([one.result for one in scored])
    return {"metrics": metrics_record(protocol, result), "inference": {**inference, "device": used[0]["device"]}}


def write_scored(folder: Path, scored: Sequence[Scored]) -> None:
    """Write patches.csv and, for each scan, its stitched field and sample patches as NPZ."""
    columns = {name: [value for one in scored for value in one.columns[name]] for name in scored[0].columns}
    if len(scored) > 1:
        columns = {"scan": [one.name for one in scored for _ in one.columns["point"]], **columns}
    write_table(folder / "patches.csv", columns)
    for one in scored:
        suffix = suffix_of(one, scored)
        field, truth, samples = one.result.field, one.result.truth, one.samples
        write_arrays(
            folder / f"field{suffix}.npz", {**named_images(field, truth), "covered": one.result.covered.numpy()}
        )
        write_arrays(
            folder / f"samples{suffix}.npz",
            {"point": samples.points, **named_images(samples.prediction, samples.truth)},
        )


def draw_scored(folder: Path, scored: Sequence[Scored], title: str) -> None:
    """Draw the stitched field and sample patches of each scan as PNG."""
    for one in scored:
        suffix, samples = suffix_of(one, scored), one.samples
        heading = title if len(scored) == 1 else f"{title}, {one.name}"
        draw_field(folder / f"field{suffix}.png", one.result.truth, one.result.field, heading)
        draw_patches(
            folder / f"patches{suffix}.png", samples.intensity, samples.truth, samples.prediction, samples.labels
        )


def print_scored(scored: Sequence[Scored], title: str) -> None:
    """Print a table of metrics for each scan and, if there are several, one for all together."""
    for one in scored:
        heading = title if len(scored) == 1 else f"{title}, {one.name}"
        count = len(one.columns["point"])
        print_metrics(f"{heading}: {count} test patches of {one.origin}", one.result.aggregate())
    if len(scored) > 1:
        count = sum(len(one.columns["point"]) for one in scored)
        print_metrics(
            f"{title}: {count} test patches of {len(scored)} scans together",
            pooled([one.result for one in scored]).aggregate(),
            note="stitched: mean over the scans' fields",
        )


def suffix_of(one: Scored, scored: Sequence[Scored]) -> str:
    """Return the ending of the names of a scan's files."""
    return "" if len(scored) == 1 else f"_{one.name}"


def named_images(pred: Images, truth: Images) -> dict[str, np.ndarray]:
    """Return predicted and true images by the names that NPZ files give them."""
    names = {"amplitude": pred.amplitude, "phase": pred.phase}
    names |= {"true_amplitude": truth.amplitude, "true_phase": truth.phase}
    return {name: image.numpy() for name, image in names.items()}


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as NPZ, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())
