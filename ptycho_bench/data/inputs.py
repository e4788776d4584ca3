"""Input transforms: diffraction intensity in counts to what a network sees. Each is built from a `Scaling`."""

import torch
from torch import Tensor, nn

from ptycho_bench.data.scaling import Scaling


class Log1pInput(nn.Module):
    """log(1 + counts), as PPN's text has it; no number of the data enters."""

    channels = 1

    def __init__(self, *, scaling: Scaling) -> None:
        super().__init__()

    def forward(self, intensity: Tensor) -> Tensor:
        """(B, H, W) photons to (B, 1, H, W)."""
        return torch.log1p(intensity).unsqueeze(1)


class SqrtInput(nn.Module):
    """sqrt(counts) by the largest of the training part, so that the training input ends at 1."""

    channels = 1

    def __init__(self, *, scaling: Scaling) -> None:
        super().__init__()
        self.intensity_max = scaling.intensity_max

    def forward(self, intensity: Tensor) -> Tensor:
        """(B, H, W) photons to (B, 1, H, W)."""
        return (intensity / self.intensity_max).sqrt().unsqueeze(1)
