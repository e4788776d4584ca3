"""Polar coordinate attention by FlexAttention, for CUDA devices: the kernel computes the modulation without storing it.

The angular factor needs no map. Since cos(a - b) = cos a cos b + sin a sin b, the vectors (q cos a, q sin a) and
(k cos b, k sin b), which are twice as wide, have the scalar product q k cos(a - b). Only the radial decay is left to
the kernel's score function. Gradients reach the learned centre through both.
"""

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention


@functools.cache
def compiled_flex() -> Callable[..., Tensor]:
    """Return FlexAttention as one kernel, which is compiled on the first call with each shape."""
    return torch.compile(flex_attention, dynamic=False)


def flex_poca(query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
    """Compute `poca_reference` with memory linear in N; compiled on CUDA devices, in plain PyTorch elsewhere."""
    flex = compiled_flex() if query.is_cuda else flex_attention
    widened = (torch.cat((tokens * direction[:, :1], tokens * direction[:, 1:]), dim=-1) for tokens in (query, key))

    def radial_decay(score: Tensor, batch: Tensor, head: Tensor, m: Tensor, n: Tensor) -> Tensor:
        return score / (1 + (radius[m] - radius[n]).abs())

    stacked = (tokens[:, None] for tokens in (*widened, value))  # (G, 1, N, width): one head per batch entry
    return flex(*stacked, score_mod=radial_decay, scale=1 / math.sqrt(query.shape[-1]))[:, 0]
