"""PtychoFormer: mix-transformer encoder and one decoder for both images (Nakahata et al. 2024)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_bench.models.layers import (
    ChannelNorm,
    DropPath,
    Initialisation,
    ReducedAttention,
    SharedBatchNorm2d,
    initialise,
)
from ptycho_bench.models.mix_transformer import MixTransformer
from ptycho_bench.physics.bounds import Depth, Dropout, Width

NORM_EPS = 1e-5
MLP_RATIO = 4


class Block(nn.Module):
    """Pre-norm attention followed by a pre-norm MLP that a grouped convolution widens; only the MLP has drop path."""

    def __init__(self, *, width: int, heads: int, reduction: int, drop: float) -> None:
        super().__init__()
        shrink = nn.Conv2d(width, width, reduction, stride=reduction)  # a 1 x 1 convolution if nothing shrinks
        reduce = nn.Sequential(shrink, ChannelNorm(width, eps=NORM_EPS))
        self.attend = nn.Sequential(
            ChannelNorm(width, eps=NORM_EPS), ReducedAttention(width=width, heads=heads, reduce=reduce)
        )
        self.mlp = nn.Sequential(
            ChannelNorm(width, eps=NORM_EPS),
            nn.Conv2d(width, width, 1),
            nn.Conv2d(width, MLP_RATIO * width, 3, padding=1, groups=width),
            nn.GELU(),
            nn.Conv2d(MLP_RATIO * width, width, 1),
            DropPath(drop, whole_batch=True),
        )

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.attend(features)
        return features + self.mlp(features)


class PtychoFormer(nn.Module):
    """PtychoFormer; 18,070,400 parameters with one input pattern, 18,083,200 with a 3 x 3 neighbourhood of patterns.

    Args:
        size_px: side of a pattern, px, taken from the data; must be divisible by 16.
        in_channels: channels of the network input, taken from the input transform; one per pattern of a neighbourhood.
        phase_channels: channels of the phase output, taken from the phase representation.
        widths: channels of the four stages; each stage halves the size.
        depths: number of blocks in each stage.
        heads: number of attention heads in each stage.
        reductions: factor by which each stage reduces the side of the map for keys and values.
        fused_width: channels of the fused map.
        drop_path: probability that the last block drops its MLP; it rises linearly from 0 at the first block.
        initialisation: name of the weight initialisation, see `initialise`.

    Raises:
        ValueError: If the size is not divisible by 16.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        widths: list[Width],
        depths: list[Depth],
        heads: list[Depth],
        reductions: list[Depth],
        fused_width: Width,
        drop_path: Dropout,
        initialisation: Initialisation,
    ) -> None:
        super().__init__()
        if size_px % 16:
            raise ValueError(
                f"PtychoFormer needs patterns whose side is divisible by 16, got {size_px} px; crop or pad"
            )
        self.encoder = MixTransformer(
            Block,
            in_channels=in_channels,
            first_kernel=5,
            bias=False,
            eps=NORM_EPS,
            widths=widths,
            depths=depths,
            heads=heads,
            reductions=reductions,
            drop_path=drop_path,
        )
        self.project = nn.ModuleList(nn.Conv2d(width, fused_width, 1) for width in widths)
        half = fused_width // 2
        self.decode = nn.Sequential(
            nn.Conv2d(len(widths) * fused_width, fused_width, 1, bias=False),
            SharedBatchNorm2d(fused_width),
            nn.GELU(),
            nn.ConvTranspose2d(fused_width, half, 3, stride=2, padding=1, output_padding=1),
            SharedBatchNorm2d(half),
            nn.GELU(),
            nn.Conv2d(half, 1 + phase_channels, 1, bias=False),
        )
        initialise(self, initialisation)

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        half = diffraction.shape[-1] // 2
        levels = [
            project(F.interpolate(level, (half, half), mode="bicubic", align_corners=False))
            for project, level in zip(self.project, self.encoder(diffraction), strict=True)
        ][::-1]  # deepest first
        outputs = self.decode(torch.cat(levels, dim=1))  # (B, 1 + phase_channels, H, W), unbounded
        return torch.split(outputs, [1, outputs.shape[1] - 1], dim=1)
