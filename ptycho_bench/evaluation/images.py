"""Amplitude and phase that are measured together."""

from typing import NamedTuple

import torch
from torch import Tensor

FLAT = 1e-5  # data range of a flat image: the modulus of a complex64 constant varies by rounding


class Images(NamedTuple):
    """Physical amplitude and phase (radians), both real (..., H, W)."""

    amplitude: Tensor
    phase: Tensor

    def transmission(self) -> Tensor:
        """Return amplitude * exp(i phase), complex (..., H, W); a negative amplitude counts by its modulus."""
        return torch.polar(self.amplitude.abs(), self.phase)

    def mean(self, mask: Tensor | None = None) -> "Images":
        """Return the mean of each image, (..., 1, 1), over the True pixels of a mask, bool (H, W), or over all."""
        if mask is None:
            return Images(*(image.mean(dim=(-2, -1), keepdim=True) for image in self))
        return Images(*(image[..., mask].mean(dim=-1)[..., None, None] for image in self))

    def constant(self, mask: Tensor | None = None) -> "Images":
        """Return images of the same shape that equal their mean everywhere; see `mean`."""
        return Images(*(mean.expand_as(image) for mean, image in zip(self.mean(mask), self, strict=True)))
