"""Patches at their true positions to one field."""

import torch
from torch import Tensor

CHUNK = 2048
SMALLEST_WEIGHT = 1e-6  # so that a pixel only a patch's corner covers is covered


def radial_weight(side: int) -> Tensor:
    """(1 - d / d_max)^2 from the patch's centre, (side, side), as PPN and CPR weigh patches."""
    place = torch.arange(side, dtype=torch.float64) - side // 2
    distance = torch.hypot(place[:, None], place[None, :])
    return (1 - distance / distance.max()).square().clamp(min=SMALLEST_WEIGHT)


def central_weight(side: int, central_px: int) -> Tensor:
    """One on the central square, zero outside, (side, side): PtychoNN's plain mean.

    Raises:
        ValueError: a square larger than the patch or below 1 px.
    """
    if not 1 <= central_px <= side:
        raise ValueError(f"central_px must lie in [1, {side}], got {central_px}")
    weight = torch.zeros(side, side, dtype=torch.float64)
    first = (side - central_px) // 2
    weight[first : first + central_px, first : first + central_px] = 1.0
    return weight


def stitch(patches: Tensor, positions_px: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean of overlapping patches on their bounding box.

    Args:
        patches: real (N, H, W).
        positions_px: (N, 2) top-left (y, x); rounded to whole pixels.
        weight: (H, W), not negative.

    Returns:
        field: (rows, columns) float32, row 0 and column 0 at the smallest position; 0 where nothing lies.
        covered: bool (rows, columns), True where some patch has weight.
    """
    corner = positions_px.round().long()
    corner = corner - corner.amin(dim=0)
    height, width = patches.shape[-2:]
    rows, columns = (corner.amax(dim=0) + torch.tensor([height, width])).tolist()
    total, weights = (torch.zeros(rows * columns, dtype=torch.float64) for _ in range(2))
    inside = torch.arange(height)[:, None] * columns + torch.arange(width)
    for first in range(0, len(patches), CHUNK):
        part = slice(first, first + CHUNK)
        index = (corner[part, 0] * columns + corner[part, 1])[:, None, None] + inside
        total.index_add_(0, index.flatten(), (patches[part].double() * weight).flatten())
        weights.index_add_(0, index.flatten(), weight.expand(index.shape).flatten())
    covered = weights > 0
    field = torch.where(covered, total / weights.where(covered, 1.0), 0.0)
    return field.float().view(rows, columns), covered.view(rows, columns)


def stitch_phase(phase: Tensor, positions_px: Tensor, weight: Tensor, *, circular: bool) -> tuple[Tensor, Tensor]:
    """`stitch` for phases in radians; `circular` averages them as unit vectors."""
    if not circular:
        return stitch(phase, positions_px, weight)
    cosine, covered = stitch(phase.double().cos(), positions_px, weight)
    sine, _ = stitch(phase.double().sin(), positions_px, weight)
    return torch.atan2(sine, cosine), covered


def scored_rectangle(shape: tuple[int, int], patch_px: int, smallest_px: int) -> tuple[slice, slice]:
    """Rows and columns between the outermost patch centres, where full overlap is to be had; the whole of an axis
    too short for that (under a patch plus smallest_px)."""
    margins = (patch_px // 2 if side >= patch_px + smallest_px else 0 for side in shape)
    return tuple(slice(m, side - m) for m, side in zip(margins, shape, strict=True))
