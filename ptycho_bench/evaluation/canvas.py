"""The field to which overlapping patches are added, batch by batch."""

import torch
from torch import Tensor

from ptycho_bench.physics.scan import whole_px

CHUNK_PX = 2**21  # pixels of patches added at once


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
        """Add real patches (n, H, W) at positions (n, 2); every call takes the same one or more kinds of patches."""
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
