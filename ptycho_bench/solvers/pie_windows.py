"""Cut patches of the object at a batch of scan positions and add changes to them, even if patches overlap."""

import torch
from torch import Tensor

from ptycho_bench.physics.scan import whole_px


def split_positions(positions_px: Tensor) -> tuple[Tensor, Tensor]:
    """Split positions (N, 2) into the nearest whole pixel, int64, and the remainder, float32 in [-0.5, 0.5)."""
    corners = whole_px(positions_px)
    return corners, (positions_px - corners).float()


def check_corners(corners: Tensor, object_px: tuple[int, int], patch_px: tuple[int, int]) -> None:
    """Raise ValueError if a patch reaches beyond the object.

    Args:
        corners: int64 (N, 2), top-left (y, x) of each patch, px.
        object_px: height and width of the object.
        patch_px: height and width of a patch.
    """
    last = torch.tensor(object_px) - torch.tensor(patch_px)
    if (corners < 0).any() or (corners > last).any():
        lowest, highest = (tuple(ends.tolist()) for ends in corners.aminmax(dim=0))
        raise ValueError(
            f"positions_px span {lowest}..{highest}, but the object of {tuple(object_px)} px allows (0, 0).."
            f"{tuple(last.tolist())}; shift them, enlarge the object, or give no object"
        )


class SingleWindow:
    """Windows of the sequential algorithm: one patch at a time, as a view of the object.

    Args:
        obj: complex (rows, columns), contiguous, changed in place.
        corners: int64 (N, 2), top-left (y, x) of each patch, px.
        patch_px: height and width of a patch.
    """

    def __init__(self, obj: Tensor, corners: Tensor, patch_px: tuple[int, int]) -> None:
        self.obj = obj
        self.size, self.stride = (1, 1, *patch_px), (obj.numel(), obj.numel(), *obj.stride())
        self.starts = (corners[:, 0] * obj.shape[1] + corners[:, 1]).tolist()

    def locate(self, batch: Tensor) -> Tensor:
        """Return the view of the object at the only position of a batch, (1, 1, H, W)."""
        return self.obj.as_strided(self.size, self.stride, self.starts[batch.item()])

    def cut(self, location: Tensor) -> Tensor:
        """Return the patch, complex (1, 1, H, W)."""
        return location

    def total_illumination(self, location: Tensor, illumination: Tensor) -> Tensor:
        """Return the illumination (1, 1, H, W) unchanged, since there is only one patch."""
        return illumination

    def add(self, location: Tensor, change: Tensor) -> None:
        """Add a change, complex (1, 1, H, W), to the object."""
        location += change


class BatchWindows:
    """Windows of a batch, by the indices of their pixels in the flat object; changes of overlapping patches add up.

    Args:
        obj: complex (rows, columns), contiguous, changed in place.
        corners: int64 (N, 2), top-left (y, x) of each patch, px.
        patch_px: height and width of a patch.
    """

    def __init__(self, obj: Tensor, corners: Tensor, patch_px: tuple[int, int]) -> None:
        columns = obj.shape[1]
        height, width = (torch.arange(side, device=obj.device) for side in patch_px)
        self.flat = obj.view(-1)
        self.starts = (corners[:, 0] * columns + corners[:, 1]).to(obj.device)
        self.patch_offsets = (height[:, None] * columns + width).flatten()
        self.patch_px = patch_px
        self.illumination = torch.zeros(self.flat.shape, device=obj.device)

    def locate(self, batch: Tensor) -> Tensor:
        """Return the indices of the batch's pixels in the flat object, int64 (n * H * W,)."""
        starts = self.starts[batch.to(self.starts.device, non_blocking=True)]
        return (starts[:, None] + self.patch_offsets).flatten()

    def cut(self, location: Tensor) -> Tensor:
        """Return the patches, complex (n, 1, H, W)."""
        return self.flat.index_select(0, location).view(-1, 1, *self.patch_px)

    def total_illumination(self, location: Tensor, illumination: Tensor) -> Tensor:
        """Return the illumination of each pixel by all patches of the batch together.

        Args:
            location: from `locate`.
            illumination: real (1, 1, H, W), illumination of one patch.

        Returns:
            Real (n, 1, H, W).
        """
        each = illumination.expand(len(location) // len(self.patch_offsets), 1, *self.patch_px)
        self.illumination.index_add_(0, location, each.reshape(-1))
        total = self.illumination.index_select(0, location).view_as(each)
        if len(self.illumination) > 8 * len(location):  # clearing the whole object is slower than clearing by index
            self.illumination.index_fill_(0, location, 0.0)
        else:
            self.illumination.zero_()
        return total

    def add(self, location: Tensor, change: Tensor) -> None:
        """Add changes, complex (n, 1, H, W), to the object."""
        self.flat.index_add_(0, location, change.reshape(-1))
