"""Reconstruct the object of a scan with an iterative solver, starting from ones or from a network's object."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.evaluation.canvas import Canvas
from ptycho_bench.physics.forward import object_plane
from ptycho_bench.physics.probe import scale_to_photons
from ptycho_bench.reconstruction.result import Reconstruction, patch_corners
from ptycho_bench.solvers.patterns import mean_photons
from ptycho_bench.solvers.pie import PIESolver


def pattern_source(scan: PtychoScan, points: np.ndarray, *, cache_mb: float) -> Callable[[Tensor], Tensor]:
    """Return the function from which a solver reads patterns.

    It takes int64 indices (n,) into `points` and returns photons, real (n, H, W). It reads from memory if the patterns
    need no more than `cache_mb` megabytes, and otherwise from the file.
    """
    if len(points) * scan.patch_px**2 * 4 <= cache_mb * 1e6:
        kept = scan.patterns(points)
        return lambda batch: kept[batch]
    return lambda batch: scan.patterns(points[batch.numpy()])


def starting_probe(scan: PtychoScan, solver: PIESolver, patterns: Callable[[Tensor], Tensor], count: int) -> Tensor:
    """Return the probe that a solver starts from, complex64 (modes, H, W), sqrt(photons).

    A probe that is refined is scaled to the photons of the mean pattern. If the scan has no probe, the solver starts
    from `probe_from_patterns`.

    Args:
        scan: the scan.
        solver: the solver.
        patterns: as `PIESolver.solve` takes them.
        count: number of patterns.

    Raises:
        DataError: If the scan has no probe and the solver does not refine it.
    """
    valid_mask = scan.valid_pixels()
    if scan.probe is None:
        if not solver.refine_probe:
            raise DataError("this scan has no probe and the solver does not refine one; set solver.refine_probe=true, "
                            "or give a probe with probe_path=FILE")  # fmt: skip
        return probe_from_patterns(patterns, count, valid_mask)
    probe = scan.measurement().probe
    if not solver.refine_probe:
        return probe
    return scale_to_photons(probe, mean_photons(patterns, count, batch_size=64, valid_mask=valid_mask))


def probe_from_patterns(patterns: Callable[[Tensor], Tensor], count: int, valid_mask: Tensor | None) -> Tensor:
    """Return the square root of the mean pattern, propagated to the object plane: the focus of a beam with flat phase.

    Args:
        patterns: as `PIESolver.solve` takes them.
        count: number of patterns.
        valid_mask: bool (H, W), True on valid detector pixels; None if all are valid.

    Returns:
        Complex64 (1, H, W) with the photons of the mean pattern, sqrt(photons).
    """
    total = sum(patterns(batch).double().sum(dim=0) for batch in torch.arange(count).split(64))
    mean = total / count if valid_mask is None else (total / count).where(valid_mask, 0.0)
    return object_plane(mean.sqrt().to(torch.complex128)).to(torch.complex64)[None]


def object_by_solver(
    solver: PIESolver,
    scan: PtychoScan,
    points: np.ndarray,
    *,
    start: Reconstruction | None,
    cache_mb: float,
    device: str,
    on_iteration: Callable[[int, float, Tensor], None] | None = None,
) -> Reconstruction:
    """Reconstruct the object under some scan points.

    Args:
        solver: the solver.
        scan: the scan, whose patterns may stay in the file.
        points: int (n,), indices of the scan points.
        start: reconstruction of the same points whose object the solver starts from; None starts from ones.
        cache_mb: largest size of the patterns kept in memory, megabytes.
        device: device of the object and the probe.
        on_iteration: see `PIESolver.solve`.

    Raises:
        DataError: If the scan has no probe and the solver does not refine it.
        ValueError: If the solver refuses its inputs or diverges.
    """
    patterns = pattern_source(scan, points, cache_mb=cache_mb)
    probe = starting_probe(scan, solver, patterns, len(points))
    corners = patch_corners(scan, points)
    started_s = time.perf_counter()
    solution = solver.solve(
        patterns, corners, probe, obj=None if start is None else start.obj, valid_mask=scan.valid_pixels(),
        on_iteration=on_iteration, device=device,
    )  # fmt: skip
    seconds = time.perf_counter() - started_s + (0.0 if start is None else start.seconds)
    canvas = Canvas(corners, torch.ones(scan.patch_px, scan.patch_px))
    canvas.add(corners)
    return Reconstruction(
        obj=solution.obj.cpu(), covered=canvas.covered, probe=solution.probe.cpu(), refined=solver.refine_probe,
        subpixel=solver.subpixel, misfits=solution.misfits, stopped=solution.stopped, seconds=seconds,
    )  # fmt: skip
