"""Polar coordinate attention by FlexAttention, for a CUDA device: maps are computed inside the kernel, never stored.

The angular factor needs no map: cos(a - b) = cos a cos b + sin a sin b, so that (q cos a, q sin a) and
(k cos b, k sin b), twice as wide, have the product q k cos(a - b); only the radial decay is left to the kernel's score
function. Gradients reach the learned centre through both.
"""

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention


@functools.cache
def compiled_flex() -> Callable[..., Tensor]:
    """FlexAttention as one kernel, compiled on its first use with each shape."""
    return torch.compile(flex_attention, dynamic=False)


def flex_poca(query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
    """`poca_reference`, the same arguments, memory linear in N; compiled on a CUDA device, written out elsewhere."""
    flex = compiled_flex() if query.is_cuda else flex_attention
    turned = (torch.cat((tokens * direction[:, :1], tokens * direction[:, 1:]), dim=-1) for tokens in (query, key))

    def decayed(score: Tensor, batch: Tensor, head: Tensor, m: Tensor, n: Tensor) -> Tensor:
        return score / (1 + (radius[m] - radius[n]).abs())

    stacked = (tokens[:, None] for tokens in (*turned, value))  # (G, 1, N, width): every head is a batch of its own
    return flex(*stacked, score_mod=decayed, scale=1 / math.sqrt(query.shape[-1]))[:, 0]
