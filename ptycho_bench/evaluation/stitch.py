"""Stitching of overlapping patches to one field."""

import torch
from torch import Tensor

from ptycho_bench.physics.scan import whole_px

CHUNK_PX = 2**21  # pixels of patches added at once
SMALLEST_WEIGHT = 1e-6  # above 0, so that pixels covered only by the corner of a patch count as covered


def radial_weight(side: int) -> Tensor:
    """Return (1 - d / d_max)^2, d the distance from the patch centre, (side, side), as PPN and CPR weight patches."""
    offset = torch.arange(side, dtype=torch.float64) - side // 2
    distance = torch.hypot(offset[:, None], offset[None, :])
    return (1 - distance / distance.max()).square().clamp(min=SMALLEST_WEIGHT)


def central_weight(side: int, central_px: int) -> Tensor:
    """Return a weight (side, side) that is 1 on the central square and 0 outside, as PtychoNN weights patches.

    Raises:
        ValueError: If the square is larger than the patch or smaller than 1 px.
    """
    if not 1 <= central_px <= side:
        raise ValueError(f"central_px must lie in [1, {side}], got {central_px}")
    weight = torch.zeros(side, side, dtype=torch.float64)
    first = (side - central_px) // 2
    weight[first : first + central_px, first : first + central_px] = 1.0
    return weight


class Canvas:
    """Weighted mean of overlapping patches that are added in batches; it stores the field, not the patches.

    Args:
        positions_px: (N, 2), top-left (y, x) of all patches that will be added, rounded to whole pixels. The field is
            their bounding box.
        weight: (H, W), weight of each pixel of a patch; not negative.
        device: device of the field, to which patches are moved; it must support double precision.
        chunk_px: pixels of patches that are added at once.
    """

    def __init__(
        self, positions_px: Tensor, weight: Tensor, device: torch.device | str = "cpu", *, chunk_px: int = CHUNK_PX
    ) -> None:
        corner = whole_px(positions_px)
        self.origin = corner.amin(dim=0)
        self.weight, self.chunk_px = weight.to(device, torch.float64), chunk_px
        self.shape = tuple((corner.amax(dim=0) - self.origin + torch.tensor(weight.shape)).tolist())
        self.weights = torch.zeros(self.shape, dtype=torch.float64, device=device).flatten()
        self.totals: dict[str, Tensor] = {}

    def covered_pixels(self, positions_px: Tensor) -> Tensor:
        """Return the flat indices of the pixels that patches at these positions cover, int64."""
        corner = whole_px(positions_px) - self.origin
        height, width = self.weight.shape
        inside = torch.arange(height)[:, None] * self.shape[1] + torch.arange(width)
        return ((corner[:, 0] * self.shape[1] + corner[:, 1])[:, None, None] + inside).flatten()

    def add(self, positions_px: Tensor, **patches: Tensor) -> None:
        """Add real patches (n, H, W) of one or more kinds, the same in every call, at positions (n, 2)."""
        step = max(1, self.chunk_px // self.weight.numel())
        for first in range(0, len(positions_px), step):
            part = slice(first, first + step)
            pixels = self.covered_pixels(positions_px[part]).to(self.weights.device)
            self.weights.index_add_(0, pixels, self.weight.expand(len(positions_px[part]), -1, -1).flatten())
            for kind, values in patches.items():
                total = self.totals.setdefault(kind, torch.zeros_like(self.weights))
                total.index_add_(0, pixels, (values[part].to(self.weight) * self.weight).flatten())

    @property
    def covered(self) -> Tensor:
        """Pixels to which at least one patch contributes, bool (rows, columns)."""
        return (self.weights > 0).view(self.shape)

    def field(self, kind: str) -> Tensor:
        """Return the mean of one kind of patches, float64 (rows, columns); 0 where no patch contributes."""
        mean = self.totals[kind] / self.weights.where(self.weights > 0, 1.0)
        return mean.view(self.shape)


def stitch(patches: Tensor, positions_px: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the weighted mean of overlapping patches on their bounding box.

    Args:
        patches: real (N, H, W).
        positions_px: (N, 2), top-left (y, x) of each patch, rounded to whole pixels.
        weight: (H, W), weight of each pixel of a patch; not negative.

    Returns:
        field: float32 (rows, columns), with the smallest position at (0, 0); 0 where no patch contributes.
        covered: bool (rows, columns), pixels to which at least one patch contributes.
    """
    canvas = Canvas(positions_px, weight)
    canvas.add(positions_px, values=patches)
    return canvas.field("values").float(), canvas.covered


def stitch_phase(phase: Tensor, positions_px: Tensor, weight: Tensor, *, circular: bool) -> tuple[Tensor, Tensor]:
    """Stitch phases in radians like `stitch`; `circular` averages them as unit vectors."""
    if not circular:
        return stitch(phase, positions_px, weight)
    canvas = Canvas(positions_px, weight)
    canvas.add(positions_px, cosine=phase.double().cos(), sine=phase.double().sin())
    return torch.atan2(canvas.field("sine"), canvas.field("cosine")).float(), canvas.covered


def scored_rectangle(shape: tuple[int, int], patch_px: int, smallest_px: int) -> tuple[slice, slice]:
    """Return the rows and columns between the outermost patch centres, where the overlap is complete.

    An axis shorter than a patch plus `smallest_px` is returned whole.
    """
    margins = (patch_px // 2 if side >= patch_px + smallest_px else 0 for side in shape)
    return tuple(slice(m, side - m) for m, side in zip(margins, shape, strict=True))
