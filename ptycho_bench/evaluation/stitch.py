"""Patches at their true positions to one field."""

import torch
from torch import Tensor

from ptycho_bench.physics.scan import whole_px

CHUNK_PX = 2**21  # pixels of patches laid at once
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


class Canvas:
    """Weighted mean of overlapping patches, which may come a few at a time: it holds the field, not the patches.

    Args:
        positions_px: (N, 2) top-left (y, x) of all patches to come; rounded to whole pixels. The field is their
            bounding box.
        weight: (H, W), not negative.
        device: where the field lies; patches are brought there. It must have double precision.
    """

    def __init__(self, positions_px: Tensor, weight: Tensor, device: torch.device | str = "cpu") -> None:
        corner = whole_px(positions_px)
        self.origin = corner.amin(dim=0)
        self.weight = weight.to(device, torch.float64)
        self.shape = tuple((corner.amax(dim=0) - self.origin + torch.tensor(weight.shape)).tolist())
        self.weights = torch.zeros(self.shape, dtype=torch.float64, device=device).flatten()
        self.totals: dict[str, Tensor] = {}

    def places(self, positions_px: Tensor) -> Tensor:
        """int64, the field's pixels, flattened, that patches at these positions cover."""
        corner = whole_px(positions_px) - self.origin
        height, width = self.weight.shape
        inside = torch.arange(height)[:, None] * self.shape[1] + torch.arange(width)
        return ((corner[:, 0] * self.shape[1] + corner[:, 1])[:, None, None] + inside).flatten()

    def add(self, positions_px: Tensor, **patches: Tensor) -> None:
        """Lay patches (n, H, W) of one or several kinds, real, at (n, 2) positions; every call with the same kinds."""
        step = max(1, CHUNK_PX // self.weight.numel())
        for first in range(0, len(positions_px), step):
            part = slice(first, first + step)
            places = self.places(positions_px[part]).to(self.weights.device)
            self.weights.index_add_(0, places, self.weight.expand(len(positions_px[part]), -1, -1).flatten())
            for kind, values in patches.items():
                total = self.totals.setdefault(kind, torch.zeros_like(self.weights))
                total.index_add_(0, places, (values[part].to(self.weight) * self.weight).flatten())

    @property
    def covered(self) -> Tensor:
        """Bool (rows, columns), True where some patch has weight."""
        return (self.weights > 0).view(self.shape)

    def field(self, kind: str) -> Tensor:
        """Mean of one kind of patches, (rows, columns) float64; 0 where nothing lies."""
        mean = self.totals[kind] / self.weights.where(self.weights > 0, 1.0)
        return mean.view(self.shape)


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
    canvas = Canvas(positions_px, weight)
    canvas.add(positions_px, values=patches)
    return canvas.field("values").float(), canvas.covered


def stitch_phase(phase: Tensor, positions_px: Tensor, weight: Tensor, *, circular: bool) -> tuple[Tensor, Tensor]:
    """`stitch` for phases in radians; `circular` averages them as unit vectors."""
    if not circular:
        return stitch(phase, positions_px, weight)
    canvas = Canvas(positions_px, weight)
    canvas.add(positions_px, cosine=phase.double().cos(), sine=phase.double().sin())
    return torch.atan2(canvas.field("sine"), canvas.field("cosine")).float(), canvas.covered


def scored_rectangle(shape: tuple[int, int], patch_px: int, smallest_px: int) -> tuple[slice, slice]:
    """Rows and columns between the outermost patch centres, where full overlap is to be had; the whole of an axis
    too short for that (under a patch plus smallest_px)."""
    margins = (patch_px // 2 if side >= patch_px + smallest_px else 0 for side in shape)
    return tuple(slice(m, side - m) for m, side in zip(margins, shape, strict=True))
