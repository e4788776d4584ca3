"""Hierarchical transformer encoder that SegFormer and PtychoFormer share; each defines its own block."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ptycho_bench.models.layers import ChannelNorm


class MixTransformer(nn.Module):
    """Encoder whose stages each halve the size: overlapping patch convolution, norm, transformer blocks, norm.

    Args:
        block: called with width, heads, reduction and drop; returns a transformer block.
        in_channels: channels of the input.
        first_kernel: kernel size of the first stage's convolution; the other stages use 3.
        bias: whether these convolutions have a bias.
        eps: epsilon of the norms.
        widths: channels of each stage.
        depths: number of blocks in each stage.
        heads: number of attention heads in each stage.
        reductions: factor by which each stage reduces the side of the map for keys and values.
        drop_path: probability that the last block drops a branch; it rises linearly from 0 at the first block.
    """

    def __init__(
        self,
        block: Callable[..., nn.Module],
        *,
        in_channels: int,
        first_kernel: int,
        bias: bool,
        eps: float,
        widths: list[int],
        depths: list[int],
        heads: list[int],
        reductions: list[int],
        drop_path: float,
    ) -> None:
        super().__init__()
        drops = iter(torch.linspace(0, drop_path, sum(depths), device="cpu").tolist())
        self.stages, channels = nn.ModuleList(), in_channels
        for k, width in enumerate(widths):
            kernel = 3 if k else first_kernel
            embed = nn.Conv2d(channels, width, kernel, stride=2, padding=kernel // 2, bias=bias)
            settings = {"width": width, "heads": heads[k], "reduction": reductions[k]}
            blocks = [block(**settings, drop=next(drops)) for _ in range(depths[k])]
            norms = [ChannelNorm(width, eps=eps) for _ in range(2)]
            self.stages.append(nn.Sequential(embed, norms[0], *blocks, norms[1]))
            channels = width

    def forward(self, features: Tensor) -> list[Tensor]:
        """Return the maps of all stages, largest first: (B, widths[k], H / 2**(k + 1), W / 2**(k + 1))."""
        levels = []
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        return levels
