"""PtyNet: strided encoder, two-group decoder, both outputs from one stack (Pan et al. 2023), its small network."""

import torch
from torch import Tensor, nn

from ptycho_bench.models.layers import initialise

SLOPE = 0.2  # of every LeakyReLU


def conv(in_channels: int, out_channels: int, *, stride: int = 1, groups: int = 1, bias: bool = True) -> nn.Sequential:
    """3 x 3 convolution, then LeakyReLU."""
    layer = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, groups=groups, bias=bias)
    return nn.Sequential(layer, nn.LeakyReLU(SLOPE, inplace=True))


def doubling(channels: int, groups: int = 2) -> nn.ConvTranspose2d:
    """4 x 4 transposed convolution that doubles the size."""
    return nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, groups=groups)


class PtyNet(nn.Module):
    """The release's `Net1`, 324,452 parameters with one phase channel. No normalisation, no skip.

    The release bounds both outputs with Hardtanh(-1, 1) and takes phase as pi times the second; here the phase
    representation bounds them, so that one comparison serves all networks.

    Args:
        size_px: side of a pattern; the CLI passes it. Must divide by 8.
        in_channels: channels of the input transform; the CLI passes them.
        phase_channels: channels of the phase representation; the CLI passes them. With one, the last layers keep the
            release's two groups; with more they are not grouped.
        initialisation: glorot or framework.

    Raises:
        ValueError: a size that does not divide by 8.
    """

    def __init__(self, *, size_px: int, in_channels: int, phase_channels: int, initialisation: str) -> None:
        super().__init__()
        if size_px % 8:
            raise ValueError(f"PtyNet needs patterns whose side divides by 8, got {size_px} px; crop or pad")
        outputs = 1 + phase_channels
        groups = 2 if outputs == 2 else 1
        self.encoder = nn.Sequential(
            conv(in_channels, 16),
            conv(16, 16, stride=2),
            conv(16, 16),
            conv(16, 32, stride=2),
            conv(32, 64),
            conv(64, 128, stride=2),
        )
        self.decoder = nn.Sequential(
            conv(128, 64),
            conv(64, 64, groups=2, bias=False),
            doubling(64),
            nn.LeakyReLU(SLOPE, inplace=True),
            conv(64, 64),
            conv(64, 64, groups=2, bias=False),
            doubling(64),
            nn.LeakyReLU(SLOPE, inplace=True),
            conv(64, 16),
            conv(16, outputs, groups=groups),
            doubling(outputs, groups),
        )
        initialise(self, initialisation)

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.decoder(self.encoder(diffraction))  # (B, 1 + phase_channels, H, W), unbounded
        return torch.split(outputs, [1, outputs.shape[1] - 1], dim=1)
