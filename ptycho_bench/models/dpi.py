"""DPI: pre-activation residual U-Net (Chang et al. 2023), with the second decoder that the PPN paper adds to it."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ptycho_bench.models.layers import Initialisation, SameConv2d, SameConvTranspose2d, SharedBatchNorm2d, initialise
from ptycho_bench.physics.bounds import Dropout, Width


def pre_activated(channels: int, layer: nn.Module) -> nn.Sequential:
    """Return batch normalisation and ReLU followed by the layer."""
    return nn.Sequential(SharedBatchNorm2d(channels, eps=1e-3, momentum=0.01), nn.ReLU(), layer)


class Residual(nn.Module):
    """BN-ReLU-conv twice, plus a 3 x 3 convolution of the input; `change` is `none`, `down` (half the size) or `up`."""

    def __init__(self, in_channels: int, out_channels: int, *, change: str = "none") -> None:
        super().__init__()

        def resize() -> nn.Module:
            if change == "up":
                return SameConvTranspose2d(in_channels, out_channels, stride=2)
            return SameConv2d(in_channels, out_channels, stride=2 if change == "down" else 1)

        keep = SameConvTranspose2d if change == "up" else SameConv2d
        self.body = nn.Sequential(
            pre_activated(in_channels, resize()),
            pre_activated(out_channels, keep(out_channels, out_channels, stride=1)),
        )
        self.shortcut = resize()

    def forward(self, features: Tensor) -> Tensor:
        return self.body(features) + self.shortcut(features)


class DPI(nn.Module):
    """DPI; 14,965,102 parameters and 13,318 batch-norm statistics (57.14 MiB) with the published widths.

    The released network predicts only the phase. The second decoder, for the amplitude, shares the encoder and its skip
    connections.

    Args:
        size_px: side of a pattern, px, taken from the data; must be divisible by 2**(levels - 1).
        in_channels: channels of the network input, taken from the input transform.
        phase_channels: channels of the phase output, taken from the phase representation.
        widths: channels of each level, starting at full size.
        dropout: dropout probability after each level and in the skip connections.
        initialisation: name of the weight initialisation, see `initialise`.

    Raises:
        ValueError: If the size cannot be halved once for each level after the first.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        widths: list[Width],
        dropout: Dropout,
        initialisation: Initialisation,
    ) -> None:
        super().__init__()
        if size_px % 2 ** (len(widths) - 1):
            raise ValueError(
                f"DPI needs patterns whose side is divisible by {2 ** (len(widths) - 1)}, got {size_px} px; crop or pad"
            )
        self.encoder = nn.ModuleList([nn.Sequential(Residual(in_channels, widths[0]), nn.Dropout(dropout))])
        for above, out in pairwise(widths):
            level = (Residual(above, out, change="down"), Residual(out, out), nn.Dropout(dropout))
            self.encoder.append(nn.Sequential(*level))
        self.amplitude = Decoder(widths, 1, dropout)
        self.phase = Decoder(widths, phase_channels, dropout)
        initialise(self, initialisation)

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        features, levels = diffraction, []
        for level in self.encoder:
            features = level(features)
            levels.append(features)  # (B, widths[k], H / 2**k, W / 2**k)
        return self.amplitude(levels), self.phase(levels)


class Decoder(nn.Module):
    """Upsampling from the deepest level with a skip connection at each size, then two residual blocks to the output."""

    def __init__(self, widths: list[int], out_channels: int, dropout: float) -> None:
        super().__init__()
        self.levels, self.skip_dropout = nn.ModuleList(), nn.Dropout(dropout)
        channels = widths[-1]
        for k in range(len(widths) - 1, 0, -1):
            out = widths[k]
            level = (Residual(channels, out, change="up"), Residual(out, out), nn.Dropout(dropout))
            self.levels.append(nn.Sequential(*level))
            channels = out + widths[k - 1]
        self.out = nn.Sequential(Residual(channels, widths[1]), Residual(widths[1], out_channels))

    def forward(self, levels: list[Tensor]) -> Tensor:
        features = levels[-1]
        for level, skip in zip(self.levels, reversed(levels[:-1]), strict=True):
            features = torch.cat((level(features), self.skip_dropout(skip)), dim=1)
        return self.out(features)
