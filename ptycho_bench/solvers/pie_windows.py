"""The object under a batch of scan positions: cut out, and changed where patches may overlap."""

import torch
from torch import Tensor

from ptycho_bench.physics.scan import whole_px


def split_positions(positions_px: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest whole pixel, int64 (N, 2), and what is left, float32 (N, 2) in [-0.5, 0.5)."""
    corners = whole_px(positions_px)
    return corners, (positions_px - corners).float()


def check_corners(corners: Tensor, object_px: tuple[int, int], patch_px: tuple[int, int]) -> None:
    """Raise ValueError where a patch leaves the object."""
    last = torch.tensor(object_px) - torch.tensor(patch_px)
    if (corners < 0).any() or (corners > last).any():
        lowest, highest = (tuple(ends.tolist()) for ends in corners.aminmax(dim=0))
        raise ValueError(
            f"positions_px reach {lowest}..{highest}, the object of {tuple(object_px)} px allows (0, 0).."
            f"{tuple(last.tolist())}; shift them, enlarge the object, or give none"
        )


class SingleWindow:
    """The sequential algorithm's: a view of the object, so that nothing is copied.

    Args:
        obj: complex (rows, columns), contiguous, changed in place.
        corners: int64 (N, 2).
        patch_px: height and width of a patch.
    """

    def __init__(self, obj: Tensor, corners: Tensor, patch_px: tuple[int, int]) -> None:
        self.obj = obj
        self.size, self.stride = (1, 1, *patch_px), (obj.numel(), obj.numel(), *obj.stride())
        self.first = (corners[:, 0] * obj.shape[1] + corners[:, 1]).tolist()

    def locate(self, batch: Tensor) -> Tensor:
        """The object under the one position of a batch, (1, 1, H, W)."""
        return self.obj.as_strided(self.size, self.stride, self.first[batch.item()])

    def cut(self, place: Tensor) -> Tensor:
        """(1, 1, H, W)."""
        return place

    def overlapped(self, place: Tensor, illumination: Tensor) -> Tensor:
        """Illumination the batch puts on each pixel of its patches: its only patch's own."""
        return illumination

    def add(self, place: Tensor, change: Tensor) -> None:
        """Add (1, 1, H, W) to the object."""
        place += change


class BatchWindows:
    """Patches of a batch by their pixels' places in the flat object; where they overlap, changes add up.

    Args:
        obj: complex (rows, columns), contiguous, changed in place.
        corners: int64 (N, 2).
        patch_px: height and width of a patch.
    """

    def __init__(self, obj: Tensor, corners: Tensor, patch_px: tuple[int, int]) -> None:
        columns = obj.shape[1]
        height, width = (torch.arange(side, device=obj.device) for side in patch_px)
        self.flat = obj.view(-1)
        self.first = (corners[:, 0] * columns + corners[:, 1]).to(obj.device)
        self.inside = (height[:, None] * columns + width).flatten()
        self.patch_px = patch_px
        self.illumination = torch.zeros(self.flat.shape, device=obj.device)

    def locate(self, batch: Tensor) -> Tensor:
        """Places of the batch's pixels, (n * H * W,)."""
        first = self.first[batch.to(self.first.device, non_blocking=True)]
        return (first[:, None] + self.inside).flatten()

    def cut(self, place: Tensor) -> Tensor:
        """(n, 1, H, W)."""
        return self.flat.index_select(0, place).view(-1, 1, *self.patch_px)

    def overlapped(self, place: Tensor, illumination: Tensor) -> Tensor:
        """Illumination the batch puts on each pixel of its patches, (n, 1, H, W); each one's own is (1, 1, H, W)."""
        each = illumination.expand(len(place) // len(self.inside), 1, *self.patch_px)
        self.illumination.index_add_(0, place, each.reshape(-1))
        total = self.illumination.index_select(0, place).view_as(each)
        if len(self.illumination) > 8 * len(place):  # a run through it all is slower than one by index
            self.illumination.index_fill_(0, place, 0.0)
        else:
            self.illumination.zero_()
        return total

    def add(self, place: Tensor, change: Tensor) -> None:
        """Add (n, 1, H, W) to the object."""
        self.flat.index_add_(0, place, change.reshape(-1))
