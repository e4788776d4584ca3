"""A scan to an object by a trained network: patches predicted batch by batch and laid onto a canvas."""

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.evaluation.stitch import Canvas
from ptycho_bench.network.neighbours import neighbour_table
from ptycho_bench.reconstruction.result import Reconstruction


class PatchPredictor(Protocol):
    """What predicts patches: `PtychoNetwork`, or an exported one in another runtime.

    device: where what it predicts lies.
    neighbours: scan points on each side that it sees beside the pattern itself.
    circular: whether its phases are averaged as unit vectors.
    """

    @property
    def device(self) -> torch.device: ...

    @property
    def neighbours(self) -> int: ...

    @property
    def circular(self) -> bool: ...

    def predict(
        self, intensity: Tensor, *, batch_size: int, neighbours: Tensor | None = None
    ) -> tuple[Tensor, Tensor]: ...


def object_by_network(
    network: PatchPredictor,
    scan: PtychoScan,
    points: np.ndarray,
    *,
    batch_size: int,
    weight: Tensor,
    on_patterns: Callable[[int], None] = lambda done: None,
) -> Reconstruction:
    """Predict the patches of some points and stitch them; holds one batch and the field, not the scan.

    Args:
        network: trained, on its device.
        scan: its patterns may stay in the file.
        points: indices of the points.
        batch_size: patterns at once.
        weight: (H, W) of a patch in the field.
        on_patterns: called with the number of patterns done.

    Raises:
        ValueError: a network trained on patterns of another size, or a prediction that is not finite.
    """
    place = "cpu" if network.device.type == "mps" else network.device  # which has no double precision
    canvas = Canvas(torch.from_numpy(scan.positions_px[points]), weight, place)
    finite = torch.ones((), dtype=torch.bool, device=network.device)  # read once, at the end: the device need not wait
    radius, circular = network.neighbours, network.circular
    seconds = done = 0
    for part in np.array_split(points, -(-len(points) // batch_size)):
        known = around(scan.scan_index, part, radius) if radius else part
        patterns, table = scan.patterns(known), neighbour_table(scan.scan_index, part, radius, known)
        started_s = time.perf_counter()
        amplitude, phase = network.predict(patterns, batch_size=batch_size, neighbours=table)
        finite &= amplitude.isfinite().all() & phase.isfinite().all()
        parts = {"amplitude": amplitude, "phase": phase}
        if circular:
            parts = {"amplitude": amplitude, "cosine": phase.cos(), "sine": phase.sin()}
        canvas.add(torch.from_numpy(scan.positions_px[part]), **parts)
        seconds += time.perf_counter() - started_s
        done += len(part)
        on_patterns(done)
    started_s = time.perf_counter()
    if not finite:
        raise ValueError("the network predicts NaN or infinite values for these patterns; train it again")
    phase = torch.atan2(canvas.field("sine"), canvas.field("cosine")) if circular else canvas.field("phase")
    obj = torch.polar(canvas.field("amplitude").abs(), phase).to(torch.complex64).cpu()
    covered = canvas.covered.cpu()
    seconds += time.perf_counter() - started_s
    return Reconstruction(
        obj=obj.where(covered, 1.0), covered=covered, probe=None, refined=False, subpixel=False,
        errors=[], stopped=False, seconds=seconds,
    )  # fmt: skip


def around(scan_index: np.ndarray, points: np.ndarray, radius: int) -> np.ndarray:
    """Numbers of the points within `radius` rows and columns of some points, themselves included, sorted."""
    low, high = scan_index[points].min(axis=0) - radius, scan_index[points].max(axis=0) + radius
    return np.flatnonzero(((scan_index >= low) & (scan_index <= high)).all(axis=1))
