"""Score a trained network on points of a scan; `score_files` writes and draws the result."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.config.network import scaling_of
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.versions import PROTOCOL_VERSION
from ptycho_bench.evaluation.evaluate import Evaluation, evaluate, pooled
from ptycho_bench.evaluation.images import Images
from ptycho_bench.evaluation.metrics import GAUSSIAN_SIDE
from ptycho_bench.evaluation.misfit import diffraction_misfit
from ptycho_bench.evaluation.protocol import MetricProtocol
from ptycho_bench.evaluation.stitch import Stitched, Stitching, scored_window
from ptycho_bench.network.neighbours import compact_table, neighbour_table
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.reconstruction.by_network import PatchPredictor
from ptycho_bench.reconstruction.result import patch_corners
from ptycho_bench.records.console import print_metrics
from ptycho_bench.runs.timing import timing_record

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
    network: PatchPredictor,
    scan: PtychoScan,
    points: np.ndarray,
    *,
    name: str,
    protocol: MetricProtocol,
    stitching: Stitching,
    scaling: Scaling | None,
    rectangle: Sequence[int] | None,
    batch_size: int,
) -> Scored:
    """Predict, stitch and measure patches; write and print nothing.

    Args:
        network: the trained network or another predictor, on its device.
        scan: the scan, with amplitude and phase.
        points: int64 (n,), indices of the points to score.
        name: name of the scan.
        protocol: how metrics are computed.
        stitching: how patches are stitched.
        scaling: value ranges that are scaled to [0, 1]; None: those of the truth on the scored rectangle.
        rectangle: [first row, end row, first column, end column] in object pixels, the part of the field that is
            scored; None: between the outermost patch centres.
        batch_size: patterns predicted at once.

    Raises:
        ValueError: If a prediction is not finite.
    """
    intensity, amplitude, phase = scan.tensors(points)
    measured, seen = visible_patterns(network, scan, points, intensity)
    truth, index = Images(amplitude, phase), torch.from_numpy(scan.scan_index[points])
    places = stitching.places(torch.from_numpy(scan.positions_px[points]), index)
    moved = stitching.step_px is not None
    window = scored_window(places, scan.patch_px, GAUSSIAN_SIDE, None if moved else rectangle)

    def timed_pass() -> tuple[float, Images, Stitched]:
        started_s = time.perf_counter()
        pred = predict(network, measured, seen, batch_size)
        stitched = stitching.stitch_prediction(pred, places, circular=network.circular)
        return time.perf_counter() - started_s, pred, stitched

    cold_s, pred, stitched = timed_pass()
    timing = timing_record(cold_s, lambda: timed_pass()[0])
    result = evaluate(
        pred, truth, stitched, stitching.stitch_truth(truth, places, circular=network.circular), window,
        scaling=scaling, protocol=protocol, misfit=None if moved else misfit_of(scan, points, intensity),
    )  # fmt: skip
    columns = {"point": points, "scan_row": scan.scan_index[points, 0], "scan_column": scan.scan_index[points, 1]}
    columns |= {"y_px": scan.positions_px[points, 0], "x_px": scan.positions_px[points, 1]}
    return Scored(
        name=name,
        origin=scan.info.origin,
        result=result,
        columns={**columns, **{metric: values.tolist() for metric, values in result.patches.items()}},
        samples=choose_samples(scan, points, intensity, truth, pred),
        inference={"patterns": len(points), **timing, "device": str(network.device)},
    )


def misfit_of(scan: PtychoScan, points: np.ndarray, intensity: Tensor) -> Callable[[Tensor], float] | None:
    """Return the function that computes the diffraction misfit of an object, complex (rows, columns).

    It is None if the scan has no probe.
    """
    if scan.probe is None:
        return None
    measurement, corners = scan.measurement(), patch_corners(scan, points)
    patterns, valid_mask = intensity.__getitem__, measurement.valid_mask
    return lambda obj: diffraction_misfit(patterns, corners, measurement.probe, obj, valid_mask=valid_mask).mean


def training_ranges(description: Mapping, scan: PtychoScan, protocol: MetricProtocol) -> Scaling | None:
    """Return the ranges of a training if metrics are scaled by them; None if they are scaled by the scored field's.

    Args:
        description: description of the trained network, see `config.checkpoint.Description`.
        scan: the scan that is scored.
        protocol: how metrics are computed.
    """
    trained = scan.content_hash in {one["content_hash"] for one in description["test"]}
    if protocol.scaled_by == "field" or (protocol.scaled_by == "auto" and not trained):
        return None
    return scaling_of(description, scan.content_hash)


def visible_patterns(
    network: PatchPredictor, scan: PtychoScan, points: np.ndarray, intensity: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the patterns that the network needs, float32 (m, H, W), and their indices for each point, int64 (n, K)."""
    radius = network.neighbours
    visible = np.arange(len(scan)) if radius else points  # every measured pattern may be used in testing
    places, seen = compact_table(neighbour_table(scan.scan_index, points, radius, visible))
    return (scan.patterns(visible[places]) if radius else intensity), seen


def predict(network: PatchPredictor, measured: Tensor, seen: Tensor, batch_size: int) -> Images:
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


def metrics_record(protocol: MetricProtocol, stitching: Stitching, measured: Mapping) -> dict:
    """Return the `metrics` part of results.json.

    Args:
        protocol: how metrics were computed.
        stitching: how patches were stitched.
        measured: `Evaluation.aggregate` or `FieldScore.record`.
    """
    used = {**vars(protocol), "stitch": vars(stitching)}
    return {"protocol_version": PROTOCOL_VERSION, "protocol": used, **measured}


def scores_record(protocol: MetricProtocol, stitching: Stitching, scored: Sequence[Scored]) -> dict:
    """Return `metrics` and `inference` of results.json, over all scans."""
    used = [one.inference for one in scored]
    inference = {key: sum(one[key] for one in used) for key in ("patterns", "seconds", "cold_seconds")}
    inference |= {"repeats": min(one["repeats"] for one in used), "device": used[0]["device"]}
    result = scored[0].result if len(scored) == 1 else pooled([one.result for one in scored])
    return {"metrics": metrics_record(protocol, stitching, result.aggregate()), "inference": inference}


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
