"""DPI: pre-activation residual U-Net (Chang et al. 2023), with the second decoder PPN's comparison gives it."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ptycho_bench.models.layers import SameConv2d, SameConvTranspose2d, SharedBatchNorm2d, initialise


def normed(channels: int, layer: nn.Module) -> nn.Sequential:
    """BatchNorm, ReLU, then the layer."""
    return nn.Sequential(SharedBatchNorm2d(channels, eps=1e-3, momentum=0.01), nn.ReLU(), layer)


class Residual(nn.Module):
    """BN-ReLU-conv twice, plus a 3 x 3 convolution of the raw input; `down` halves, `up` doubles the size."""

    def __init__(self, in_channels: int, out_channels: int, *, change: str = "none") -> None:
        super().__init__()

        def resize() -> nn.Module:
            if change == "up":
                return SameConvTranspose2d(in_channels, out_channels, stride=2)
            return SameConv2d(in_channels, out_channels, stride=2 if change == "down" else 1)

        keep = SameConvTranspose2d if change == "up" else SameConv2d
        self.body = nn.Sequential(
            normed(in_channels, resize()), normed(out_channels, keep(out_channels, out_channels, stride=1))
        )
        self.shortcut = resize()

    def forward(self, features: Tensor) -> Tensor:
        return self.body(features) + self.shortcut(features)


class DPI(nn.Module):
    """14,965,102 parameters and 13,318 batch-norm statistics at the published widths: 57.14 MiB.

    The released network predicts phase alone; the second decoder, for amplitude, shares encoder and skips.

    Args:
        size_px: side of a pattern; the CLI passes it. Must divide by 2**(levels - 1).
        in_channels: channels of the input transform; the CLI passes them.
        phase_channels: channels of the phase representation; the CLI passes them.
        widths: channels of each level, full size first.
        dropout: after each level; skips have their own.
        initialisation: glorot or framework.

    Raises:
        ValueError: a size that cannot be halved once per level below the first.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        widths: list[int],
        dropout: float,
        initialisation: str,
    ) -> None:
        super().__init__()
        if size_px % 2 ** (len(widths) - 1):
            raise ValueError(
                f"DPI needs patterns whose side divides by {2 ** (len(widths) - 1)}, got {size_px} px; crop"
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
    """Doubles from the deepest level, joining the level of each size on the way; then a residual pair to the output."""

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
