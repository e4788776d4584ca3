"""What PPN's earlier draft has in place of PPN's block and polar attention (there called PCA)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_bench.models.ppn.poca import split_heads
from ptycho_bench.models.ppn.ppn import PreNormBlock


class DraftBlock(PreNormBlock):
    """X + FFN(LN(X + attention(LN X))): Eq. 4 of the draft, whose second residual starts at X."""

    def forward(self, tokens: Tensor) -> Tensor:
        attended = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.ffn(self.ffn_norm(attended))


def draft_weights(height: int, width: int) -> Tensor:
    """R + Theta of each pixel (Eqs. 10 and 11): radius by half the diagonal plus angle by pi, (N,), row by row.

    Pixels count from 1, as printed, so that pixel (H / 2, W / 2) is the centre.
    """
    down = torch.arange(1.0, height + 1)[:, None] - height / 2
    right = torch.arange(1.0, width + 1)[None, :] - width / 2
    radius = torch.hypot(down, right) / math.hypot(height / 2, width / 2)
    return (radius + torch.atan2(down, right) / math.pi).flatten()


class AdditivePolarAttention(nn.Module):
    """softmax(L * R + L * Theta) V with L = Q K^T / sqrt(d) (Eqs. 7-9): fixed centre.

    The draft writes R and Theta as N x N matrices but defines them by the indices of one pixel; here that is the key,
    so that they weight the keys.

    Args:
        width: channels; must divide by heads.
        heads: attention heads, each width / heads wide.
        height: rows of the pattern.
        width_px: columns of the pattern.
    """

    weights: Tensor

    def __init__(self, *, width: int, heads: int, height: int, width_px: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.register_buffer("weights", draft_weights(height, width_px)[:, None], persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, width) to (B, N, width), pixels row by row."""
        query, key, value = (split_heads(layer(tokens), self.heads) for layer in (self.query, self.key, self.value))
        mixed = F.scaled_dot_product_attention(query, key * self.weights.to(key.dtype), value)
        return self.out(mixed.transpose(1, 2).flatten(2))
