"""SegFormer with two output images: transformer encoder, light fusion, two heads (Xie et al., arXiv:2105.15203).

The original is a segmentation network. In this version the first stage halves the size instead of quartering it, and
the two heads are new.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_bench.models.layers import (
    ChannelNorm,
    DropPath,
    Initialisation,
    ReducedAttention,
    SharedBatchNorm2d,
    Upsample2,
    initialise,
)
from ptycho_bench.models.mix_transformer import MixTransformer
from ptycho_bench.physics.bounds import Depth, Dropout, Width

NORM_EPS = 1e-6
MLP_RATIO = 4


class Block(nn.Module):
    """Pre-norm attention followed by a pre-norm MLP with a depthwise convolution, each with a residual connection."""

    def __init__(self, *, width: int, heads: int, reduction: int, drop: float, mlp_kernel: int) -> None:
        super().__init__()
        reduce: nn.Module = nn.Identity()
        if reduction > 1:
            shrink = nn.Conv2d(width, width, reduction, stride=reduction)
            reduce = nn.Sequential(shrink, ChannelNorm(width, eps=NORM_EPS))
        hidden = MLP_RATIO * width
        self.attend = nn.Sequential(
            ChannelNorm(width, eps=NORM_EPS), ReducedAttention(width=width, heads=heads, reduce=reduce), DropPath(drop)
        )
        self.mlp = nn.Sequential(
            ChannelNorm(width, eps=NORM_EPS),
            nn.Conv2d(width, hidden, mlp_kernel, padding=mlp_kernel // 2),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.GELU(),
            nn.Conv2d(hidden, width, 1),
            DropPath(drop),
        )

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.attend(features)
        return features + self.mlp(features)


class SegFormer(nn.Module):
    """SegFormer; 3,596,962 parameters with the B0 widths of conf/model/segformer.yaml.

    Args:
        size_px: side of a pattern, px, taken from the data; must be divisible by 16.
        in_channels: channels of the network input, taken from the input transform.
        phase_channels: channels of the phase output, taken from the phase representation.
        widths: channels of the four stages; each stage halves the size.
        depths: number of blocks in each stage.
        heads: number of attention heads in each stage.
        reductions: factor by which each stage reduces the side of the map for keys and values.
        mlp_kernel: kernel size of the first layer of each feed-forward network, odd; 1 is a linear layer, as published.
        fused_width: channels of the fused map.
        drop_path: probability that the last block drops a branch; it rises linearly from 0 at the first block.
        initialisation: name of the weight initialisation, see `initialise`.

    Raises:
        ValueError: If the size is not divisible by 16, or the kernel size is not odd.
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
        mlp_kernel: Depth,
        fused_width: Width,
        drop_path: Dropout,
        initialisation: Initialisation,
    ) -> None:
        super().__init__()
        if size_px % 16:
            raise ValueError(f"SegFormer needs patterns whose side is divisible by 16, got {size_px} px; crop or pad")
        if mlp_kernel % 2 != 1:
            raise ValueError(f"model.mlp_kernel must be odd, got {mlp_kernel}; 1 is SegFormer's linear layer")
        self.encoder = MixTransformer(
            partial(Block, mlp_kernel=mlp_kernel),
            in_channels=in_channels,
            first_kernel=7,
            bias=True,
            eps=NORM_EPS,
            widths=widths,
            depths=depths,
            heads=heads,
            reductions=reductions,
            drop_path=drop_path,
        )
        self.project = nn.ModuleList(nn.Conv2d(width, fused_width, 1) for width in widths)
        self.fuse = nn.Sequential(
            nn.Conv2d(len(widths) * fused_width, fused_width, 1, bias=False), SharedBatchNorm2d(fused_width), nn.ReLU()
        )
        self.amplitude, self.phase = self.head(fused_width, 1), self.head(fused_width, phase_channels)
        initialise(self, initialisation)

    @staticmethod
    def head(width: int, out_channels: int) -> nn.Sequential:
        """Return an upsampling by 2, a convolution to half the channels and a convolution to the output."""
        half = width // 2
        convolution = nn.Conv2d(width, half, 3, padding=1, bias=False)
        out = nn.Conv2d(half, out_channels, 3, padding=1)
        return nn.Sequential(Upsample2(), convolution, SharedBatchNorm2d(half), nn.ReLU(), out)

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        half = diffraction.shape[-1] // 2
        levels = [
            F.interpolate(project(level), (half, half), mode="bilinear", align_corners=False)
            for project, level in zip(self.project, self.encoder(diffraction), strict=True)
        ]
        fused = self.fuse(torch.cat(levels, dim=1))  # (B, fused_width, H / 2, W / 2)
        return self.amplitude(fused), self.phase(fused)  # (B, 1, H, W), (B, phase_channels, H, W), unbounded
