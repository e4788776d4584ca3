"""Scan positions, patches under them, and the conversion between overlap ratio and step."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ptycho_bench.physics.raster import raster_step


class ScanPositions(NamedTuple):
    """Scan positions.

    positions_px: float64 (N, 2), top-left (y, x) of each patch, px.
    scan_index: int64 (N, 2), (row, column) of each point in the raster.
    step_px: step of the raster, px.
    """

    positions_px: Tensor
    scan_index: Tensor
    step_px: int


def whole_px(positions_px: Tensor) -> Tensor:
    """Round to the nearest whole pixel, int64.

    Halves are always rounded up, so that a shift of all positions by whole pixels shifts all their pixels alike.

    >>> whole_px(torch.tensor([1.5, 2.5, 3.49]))
    tensor([2, 3, 3])
    """
    return (positions_px + 0.5).floor().long()


def raster_scan(
    object_px: tuple[int, int],
    probe_px: int,
    *,
    overlap_ratio: float | None,
    step_px: int | None,
    jitter_px: int,
    generator: Generator,
) -> ScanPositions:
    """Return a raster scan that fills the object, row by row.

    Each point is shifted by a whole-pixel jitter and kept inside the object.

    Args:
        object_px: height and width of the object.
        probe_px: side of the square probe.
        overlap_ratio: fraction of the probe width that two neighbours share, in [0, 1); None if step_px is given.
        step_px: step in whole pixels; None if overlap_ratio is given.
        jitter_px: largest shift per axis; shifts are drawn uniformly from -jitter_px..jitter_px.
        generator: random number generator of the jitter.

    Raises:
        ValueError: If the settings do not fit together, see `raster.raster_step`.
    """
    step = raster_step(object_px, probe_px, overlap_ratio=overlap_ratio, step_px=step_px, jitter_px=jitter_px)
    last = torch.tensor(object_px) - probe_px
    rows, columns = (torch.arange(0, int(end) + 1, step) for end in last)
    grid = torch.cartesian_prod(torch.arange(len(rows)), torch.arange(len(columns)))
    jitter = torch.randint(-jitter_px, jitter_px + 1, grid.shape, generator=generator)
    positions = (grid * step + jitter).clamp(min=torch.zeros(2, dtype=torch.long), max=last)
    return ScanPositions(positions.double(), grid, step)


def cut_patches(obj: Tensor, positions_px: Tensor, patch_px: tuple[int, int]) -> Tensor:
    """Cut out the object under each whole-pixel scan position.

    Args:
        obj: real or complex (H, W).
        positions_px: (N, 2), top-left (y, x) of each patch, whole numbers, px.
        patch_px: height and width of a patch.

    Returns:
        Patches (N, *patch_px) of the dtype of obj.

    Raises:
        ValueError: If a patch reaches beyond the object or a position is not a whole number.
    """
    corner = positions_px.round().long()
    if (corner - positions_px).abs().max() > 1e-6:
        raise ValueError("positions_px must be whole numbers to cut patches from an array; round them first")
    last = torch.tensor(obj.shape, device=obj.device) - torch.tensor(patch_px, device=obj.device)
    corner = corner.to(obj.device)
    if (corner < 0).any() or (corner > last).any():
        raise ValueError(
            f"positions_px span {corner.min().item()}..{corner.max().item()}, but the object of {tuple(obj.shape)} px "
            f"allows 0..{tuple(last.tolist())}; shift them or enlarge the object"
        )
    rows = corner[:, 0, None] + torch.arange(patch_px[0], device=obj.device)
    columns = corner[:, 1, None] + torch.arange(patch_px[1], device=obj.device)
    return obj[rows[:, :, None], columns[:, None, :]]
