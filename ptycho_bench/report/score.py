"""Score a trained network on points of a scan: metrics, table, per-patch file, pictures; for train and evaluate."""

import io
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.atomic import write_bytes
from ptycho_bench.data.neighbours import neighbour_table
from ptycho_bench.data.sample import PtychoScan
from ptycho_bench.data.versions import PROTOCOL_VERSION
from ptycho_bench.evaluation.reconstruct import Evaluation, Images, MetricProtocol, evaluate
from ptycho_bench.network import PtychoNetwork
from ptycho_bench.report.console import print_metrics
from ptycho_bench.report.pictures import draw_field, draw_losses, draw_patches
from ptycho_bench.report.record import write_table

SAMPLES = 4


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
    intensity, amplitude, phase = scan.tensors(points)
    radius = network.input_transform.neighbours
    known = np.arange(len(scan)) if radius else points  # in a test every measured pattern may be looked at
    measured = scan.tensors(known)[0] if radius else intensity
    seen = neighbour_table(scan.scan_index, points, radius, known)
    started_s = time.perf_counter()
    pred = Images(*network.predict(measured, batch_size=batch_size, neighbours=seen))
    seconds = time.perf_counter() - started_s
    truth = Images(amplitude, phase)
    positions = torch.from_numpy(scan.positions_px[points])
    result = evaluate(
        pred, truth, positions, scaling=network.scaling, protocol=protocol, circular=network.phase.circular
    )
    place = {"point": points, "scan_row": scan.scan_index[points, 0], "scan_column": scan.scan_index[points, 1]}
    place |= {"y_px": scan.positions_px[points, 0], "x_px": scan.positions_px[points, 1]}
    write_table(folder / "patches.csv", {**place, **{k: v.tolist() for k, v in result.patches.items()}})
    names = {"amplitude": result.field.amplitude, "phase": result.field.phase}
    names |= {"true_amplitude": result.truth.amplitude, "true_phase": result.truth.phase, "covered": result.covered}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: image.numpy() for name, image in names.items()})
    write_bytes(folder / "field.npz", buffer.getvalue())
    if pictures:
        draw(folder / "pictures", scan, points, intensity, truth, pred, result, title)
        if rows:
            draw_losses(folder / "pictures" / "losses.png", rows)
    summary = result.summary()
    print_metrics(f"{title}: {len(points)} test patches of {scan.info.origin}", summary)
    print(f"-> {folder}", flush=True)
    return {
        "metrics": {"protocol_version": PROTOCOL_VERSION, "protocol": vars(protocol), **summary},
        "inference": {"patterns": len(points), "seconds": seconds, "device": str(next(network.parameters()).device)},
    }


def draw(
    folder: Path,
    scan: PtychoScan,
    points: np.ndarray,
    intensity: Tensor,
    truth: Images,
    pred: Images,
    result: Evaluation,
    title: str,
) -> None:
    """Stitched field and sample patches; the samples are spread evenly over those whose truth varies most."""
    draw_field(folder / "field.png", result.truth, result.field, title)
    contrast = truth.amplitude.flatten(1).std(dim=1) + truth.phase.flatten(1).std(dim=1)
    telling = torch.nonzero(contrast >= contrast.median()).flatten()
    chosen = telling[torch.linspace(0, len(telling) - 1, min(SAMPLES, len(telling))).long()]
    places = scan.scan_index[points[chosen.numpy()]]
    samples = [Images(*(image[chosen] for image in images)) for images in (truth, pred)]
    labels = [f"row {row}, column {column}" for row, column in places]
    draw_patches(folder / "patches.png", intensity[chosen].numpy(), *samples, labels)
