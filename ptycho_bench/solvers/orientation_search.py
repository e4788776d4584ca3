"""Find which of the eight orientations of the scan positions fits the patterns best."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ptycho_bench.physics.orientation import ORIENTATIONS, orient
from ptycho_bench.solvers.pie import PIESolver


def compare_orientations(
    patterns: Callable[[Tensor], Tensor],
    positions_px: Tensor,
    probe: Tensor,
    *,
    points: int,
    iterations: int,
    seed: int,
    refine_probe: bool = False,
    valid_mask: Tensor | None = None,
) -> dict[str, float]:
    """Compute the misfit of a short reconstruction for each of the eight orientations.

    Each reconstruction runs ePIE on the points nearest to the centre of the field, from an empty object and the same
    probe. Flipping both axes leads to the twin, O*(-r) under P*(-r), whose far-field intensity is the same. If
    P*(-r) = P(r), or if the probe is refined and may become its twin, orientations therefore come in pairs that the
    patterns cannot distinguish: see `best_orientations`.

    Args:
        patterns: takes int64 indices (n,) on the CPU; returns their photons, real (n, H, W).
        positions_px: real (N, 2), top-left (y, x) of each patch in the object, before any flip or swap, px.
        probe: complex (H, W) or (modes, H, W), sqrt(photons), on the scale of the patterns.
        points: number of scan points to use, those nearest to the centre of the field; all if there are fewer.
        iterations: passes over these points.
        seed: seed of their order.
        refine_probe: whether to refine the probe too.
        valid_mask: bool (H, W), True on valid detector pixels; None if all are valid.

    Returns:
        Name of the orientation to the misfit of its last pass, sum |sqrt(I) - |F(P O)|| / sum sqrt(I).

    Raises:
        ValueError: If there are fewer than four points, which fit any orientation, or `PIESolver` refuses its inputs.
    """
    chosen = central_points(positions_px, points)
    if len(chosen) < 4:
        raise ValueError(f"distinguishing orientations needs at least 4 scan points, got {len(chosen)}; raise points")
    photons, positions = patterns(chosen), positions_px[chosen].double().cpu().numpy()
    solver = PIESolver(
        rule="epie",
        object_step=1.0,
        probe_step=0.3,  # a full step with an empty object would spoil a good initial probe
        alpha=None,
        iterations=iterations,
        batch_size=1,
        modes=1 if probe.ndim == 2 else len(probe),
        refine_probe=refine_probe,
        probe_start=1,
        stop_tolerance=None,
        stop_patience=None,
        subpixel=False,
        seed=seed,
    )
    oriented = {name: torch.from_numpy(orient(positions, name)) for name in ORIENTATIONS}
    return {
        name: solver.solve(lambda batch: photons[batch], corners, probe, valid_mask=valid_mask).misfits[-1]
        for name, corners in oriented.items()
    }


def central_points(positions_px: Tensor, points: int) -> Tensor:
    """Return the indices of the points nearest to the centre of the field.

    Args:
        positions_px: real (N, 2), (y, x) of each point.
        points: number of points to return; all if there are fewer.

    Returns:
        int64 (n,), ascending, on the CPU; of points at the same distance, the first ones.
    """
    low, high = positions_px.aminmax(dim=0)
    distance = (positions_px - (low + high) / 2).square().sum(dim=1)
    return distance.argsort(stable=True)[:points].sort().values.cpu()


def best_orientations(misfits: Mapping[str, float], tolerance: float = 0.05) -> list[str]:
    """Return the orientations with a misfit of at most 1 + tolerance times the lowest, the best first.

    >>> best_orientations({"as_is": 0.2, "flip_both": 0.201, "swap": 0.5})
    ['as_is', 'flip_both']

    Raises:
        ValueError: If the tolerance is below 0.
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be at least 0, got {tolerance}; 5 % is written 0.05")
    lowest = min(misfits.values())
    return sorted((name for name in misfits if misfits[name] <= (1 + tolerance) * lowest), key=misfits.get)
