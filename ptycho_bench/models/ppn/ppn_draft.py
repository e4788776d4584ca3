"""Transformer block and polar attention (there called PCA) of the earlier draft of PPN."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_bench.models.ppn.poca import split_heads
from ptycho_bench.models.ppn.ppn import PreNormBlock
from ptycho_bench.physics.bounds import Depth, Width


class DraftBlock(PreNormBlock):
    """X + FFN(LN(X + attention(LN X))), Eq. 4 of the draft: its second residual connection starts at X."""

    def forward(self, tokens: Tensor) -> Tensor:
        attended = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.ffn(self.ffn_norm(attended))


def draft_weights(height: int, width: int) -> Tensor:
    """Return R + Theta of each pixel (Eqs. 10 and 11): radius / half diagonal + angle / pi, (N,) in row-major order.

    Pixels are counted from 1, as printed, so that pixel (H / 2, W / 2) is the centre.
    """
    down = torch.arange(1.0, height + 1)[:, None] - height / 2
    right = torch.arange(1.0, width + 1)[None, :] - width / 2
    radius = torch.hypot(down, right) / math.hypot(height / 2, width / 2)
    return (radius + torch.atan2(down, right) / math.pi).flatten()


class AdditivePolarAttention(nn.Module):
    """softmax(L * R + L * Theta) V with L = Q K^T / sqrt(d) and a fixed centre (Eqs. 7-9).

    The draft writes R and Theta as N x N matrices but defines them by the indices of a single pixel. Here this pixel is
    the key, so that R and Theta weight the keys.

    Args:
        width: channels; must be divisible by heads.
        heads: attention heads, each of width / heads channels.
        height: rows of the pattern.
        width_px: columns of the pattern.
    """

    weights: Tensor

    def __init__(self, *, width: Width, heads: Depth, height: int, width_px: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.register_buffer("weights", draft_weights(height, width_px)[:, None], persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, N, width), pixels in row-major order, to (B, N, width)."""
        query, key, value = (split_heads(layer(tokens), self.heads) for layer in (self.query, self.key, self.value))
        mixed = F.scaled_dot_product_attention(query, key * self.weights.to(key.dtype), value)
        return self.out(mixed.transpose(1, 2).flatten(2))
