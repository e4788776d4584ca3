"""A scan to an object by an iterative solver, from ones or from where a network ended."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.evaluation.stitch import Canvas
from ptycho_bench.physics.forward import object_plane
from ptycho_bench.physics.probe import scale_to_photons
from ptycho_bench.reconstruction.result import Reconstruction, corners_of
from ptycho_bench.solvers.patterns import mean_photons
from ptycho_bench.solvers.pie import PIESolver


def pattern_source(scan: PtychoScan, points: np.ndarray, *, cache_mb: float) -> Callable[[Tensor], Tensor]:
    """What a solver reads patterns from: memory where they need no more than `cache_mb`, else the file.

    Takes int64 (n,) numbers among `points`, gives photons, real (n, H, W).
    """
    if len(points) * scan.patch_px**2 * 4 <= cache_mb * 1e6:
        kept = scan.patterns(points)
        return lambda batch: kept[batch]
    return lambda batch: scan.patterns(points[batch.numpy()])


def starting_probe(scan: PtychoScan, solver: PIESolver, patterns: Callable[[Tensor], Tensor], count: int) -> Tensor:
    """The scan's probe, complex64 (modes, H, W); where it is to be refined, brought to the patterns' photons.

    A scan without one starts from the root of its mean pattern, taken back to the object plane: the focus of a beam
    that fills the same aperture.

    Raises:
        DataError: no probe, and a solver that would take the made-up one for known.
    """
    valid_mask = scan.valid_pixels()
    if scan.probe is None:
        if not solver.refine_probe:
            raise DataError("this scan has no probe and the solver takes it as known; set solver.refine_probe=true or "
                            "name one with probe_path=FILE")  # fmt: skip
        return probe_from_patterns(patterns, count, valid_mask)
    probe = scan.measurement().probe
    if not solver.refine_probe:
        return probe
    return scale_to_photons(probe, mean_photons(patterns, count, batch_size=64, valid_mask=valid_mask))


def probe_from_patterns(patterns: Callable[[Tensor], Tensor], count: int, valid_mask: Tensor | None) -> Tensor:
    """Root of the mean pattern in the object plane, complex64 (1, H, W); it has the mean pattern's photons."""
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
    """Solve for the object under some points.

    Args:
        solver: the solver.
        scan: its patterns may stay in the file.
        points: indices of the points.
        start: of the same points, whose object the solver begins with; None: ones.
        cache_mb: patterns are kept in memory up to this size.
        device: where object and probe live.
        on_iteration: see `PIESolver.solve`.

    Raises:
        DataError: no probe where the solver needs one.
        ValueError: what the solver refuses.
    """
    patterns = pattern_source(scan, points, cache_mb=cache_mb)
    probe = starting_probe(scan, solver, patterns, len(points))
    corners = corners_of(scan, points)
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
        subpixel=solver.subpixel,
        errors=solution.errors, stopped=solution.stopped, seconds=seconds,
    )  # fmt: skip
