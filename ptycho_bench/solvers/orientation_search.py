"""Which of the eight flips and swaps of the positions the patterns fit best."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ptycho_bench.physics.orientation import EIGHT, orient
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
    """Misfit of a short reconstruction under each of the eight orientations, on points around the field's middle.

    Each is solved by ePIE from an empty object and the same probe. Flipping both axes leads to the twin, O*(-r) under
    P*(-r), whose far-field intensity is the same. Where P*(-r) = P(r), or where the probe is refined and may turn into
    its twin, orientations therefore come in pairs that no pattern tells apart: see `best`.

    Args:
        patterns: takes int64 numbers (n,) on the CPU; returns their photons, real (n, H, W).
        positions_px: (N, 2), a patch's top-left (y, x) in the object, as they came.
        probe: complex (H, W) or (modes, H, W), sqrt(photons), on the scale of the patterns.
        points: scan points to use: those nearest to the field's middle, or all where there are fewer.
        iterations: passes over them.
        seed: of their order.
        refine_probe: whether the probe changes too.
        valid_mask: bool (H, W), pixels that count; None: all.

    Returns:
        Orientation to misfit of its last pass, sum |sqrt(I) - |F(P O)|| / sum sqrt(I).

    Raises:
        ValueError: fewer than four points, of which any orientation fits, or what `PIESolver` refuses.
    """
    chosen = middle_points(positions_px, points)
    if len(chosen) < 4:
        raise ValueError(f"orientations need at least 4 scan points to be told apart, got {len(chosen)}; raise points")
    photons, places = patterns(chosen), positions_px[chosen].double().cpu().numpy()
    solver = PIESolver(
        rule="epie",
        object_step=1.0,
        probe_step=0.3,  # a whole step beside an empty object spoils a good guess
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
    oriented = {name: torch.from_numpy(orient(places, name)) for name in EIGHT}
    return {
        name: solver.solve(lambda batch: photons[batch], place, probe, valid_mask=valid_mask).errors[-1]
        for name, place in oriented.items()
    }


def middle_points(positions_px: Tensor, points: int) -> Tensor:
    """Numbers of the points nearest to the middle of the field, int64 (n,), ascending; of equals the first."""
    low, high = positions_px.aminmax(dim=0)
    distance = (positions_px - (low + high) / 2).square().sum(dim=1)
    return distance.argsort(stable=True)[:points].sort().values.cpu()


def best(misfits: Mapping[str, float], tolerance: float = 0.05) -> list[str]:
    """Orientations that fit best, the best first: those with a misfit of at most 1 + tolerance times the lowest.

    >>> best({"as_is": 0.2, "flip_both": 0.201, "swap": 0.5})
    ['as_is', 'flip_both']

    Raises:
        ValueError: a tolerance below 0.
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be at least 0, got {tolerance}; 5 % is written 0.05")
    lowest = min(misfits.values())
    return sorted((name for name in misfits if misfits[name] <= (1 + tolerance) * lowest), key=misfits.get)
