"""Reconstruct the object of a scan with a trained network: predict patches batch by batch and stitch them."""

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.evaluation.canvas import CHUNK_PX, Canvas
from ptycho_bench.evaluation.images import Images
from ptycho_bench.evaluation.stitch import Stitching, synchronising_phases
from ptycho_bench.network.neighbours import neighbour_table
from ptycho_bench.reconstruction.result import Reconstruction


class PatchPredictor(Protocol):
    """A network that predicts patches: `PtychoNetwork`, or an exported one in another runtime.

    device: device of its predictions.
    neighbours: number of scan points on each side whose patterns are part of the input.
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
    stitching: Stitching,
    on_patterns: Callable[[int], None] = lambda done: None,
) -> Reconstruction:
    """Predict the patches of some points and stitch them.

    Only one batch and the field are kept in memory, except for synchronised stitching, which needs all patches.

    Args:
        network: trained network, on its device.
        scan: the scan, whose patterns may stay in the file.
        points: int (n,), indices of the scan points.
        batch_size: number of patterns predicted at once.
        stitching: how patches are stitched, at their true positions.
        on_patterns: called with the number of patterns that are done.

    Raises:
        ValueError: If the network was trained on patterns of another size or predicts values that are not finite.
    """
    device = "cpu" if stitching.synchronised or network.device.type == "mps" else network.device  # mps: no float64
    positions = torch.from_numpy(scan.positions_px[points])
    canvas = Canvas(positions, stitching.patch_weight(scan.patch_px), device)
    finite = torch.ones((), dtype=torch.bool, device=network.device)  # read only at the end, without synchronisation
    circular, kept, done, seconds = network.circular or stitching.synchronised, [], 0, 0.0
    for part in np.array_split(points, -(-len(points) // batch_size)):
        patterns, table = patterns_for(network, scan, part)
        started_s = time.perf_counter()
        amplitude, phase = network.predict(patterns, batch_size=batch_size, neighbours=table)
        finite &= amplitude.isfinite().all() & phase.isfinite().all()
        if stitching.synchronised:
            kept.append(Images(amplitude, phase).transmission().cpu())
        else:
            add_patches(canvas, torch.from_numpy(scan.positions_px[part]), amplitude, phase, circular=circular)
        seconds += time.perf_counter() - started_s
        done += len(part)
        on_patterns(done)
    started_s = time.perf_counter()
    if not finite:
        raise ValueError("the network predicts NaN or infinite values for these patterns; train it again")
    if stitching.synchronised:
        add_synchronised(canvas, positions, torch.cat(kept))
    phase = torch.atan2(canvas.field("sine"), canvas.field("cosine")) if circular else canvas.field("phase")
    obj = torch.polar(canvas.field("amplitude").abs(), phase).to(torch.complex64).cpu()
    covered = canvas.covered.cpu()
    seconds += time.perf_counter() - started_s
    return Reconstruction(
        obj=obj.where(covered, 1.0), covered=covered, probe=None, refined=False, subpixel=False,
        misfits=[], stopped=False, seconds=seconds,
    )  # fmt: skip


def patterns_for(network: PatchPredictor, scan: PtychoScan, points: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return the patterns that a network needs for some points, (m, H, W) photons, and their indices, int64 (n, K)."""
    radius = network.neighbours
    known = points_within(scan.scan_index, points, radius) if radius else points
    return scan.patterns(known), neighbour_table(scan.scan_index, points, radius, known)


def add_patches(canvas: Canvas, positions: Tensor, amplitude: Tensor, phase: Tensor, *, circular: bool) -> None:
    """Add patches (n, H, W) to a canvas, the phase as it is or as a unit vector."""
    phases = {"cosine": phase.cos(), "sine": phase.sin()} if circular else {"phase": phase}
    canvas.add(positions, amplitude=amplitude, **phases)


def add_synchronised(canvas: Canvas, positions: Tensor, patches: Tensor) -> None:
    """Align the constant phases of complex patches (n, H, W) with each other and add them to a canvas."""
    corrections = synchronising_phases(patches, positions)
    for part in torch.arange(len(patches)).split(max(1, CHUNK_PX // canvas.weight.numel())):
        phase = patches[part].angle() + corrections[part, None, None]
        add_patches(canvas, positions[part], patches[part].abs(), phase, circular=True)


def points_within(scan_index: np.ndarray, points: np.ndarray, radius: int) -> np.ndarray:
    """Return the indices of the scan points in the bounding box of some points, enlarged by `radius`, sorted.

    Args:
        scan_index: int (N, 2), (row, column) of each scan point.
        points: int (n,), indices of the points.
        radius: number of rows and columns by which the box is enlarged on each side.
    """
    low, high = scan_index[points].min(axis=0) - radius, scan_index[points].max(axis=0) + radius
    return np.flatnonzero(((scan_index >= low) & (scan_index <= high)).all(axis=1))
