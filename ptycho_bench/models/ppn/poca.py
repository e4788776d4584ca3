"""Polar coordinate attention (PoCA), Eqs. 4-8 of PPN: a reference, and a module whose memory is linear in N."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from ptycho_bench.models.ppn.poca_tiles import TiledPoCA
from ptycho_bench.models.ppn.polar import polar_coordinates, polar_map
from ptycho_bench.physics.bounds import Depth, Width


def poca_reference(query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
    """Compute softmax(Q K^T / sqrt(d) * Phi_r * Phi_theta) V as printed (Eq. 8), with N x N maps in memory.

    Args:
        query: (G, N, d), where G counts the heads of all patterns.
        key: (G, N, d).
        value: (G, N, d_v).
        radius: (N,), see `polar_coordinates`.
        direction: (N, 2), see `polar_coordinates`.

    Returns:
        (G, N, d_v).
    """
    logits = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
    return (logits * polar_map(radius, direction, radius, direction)).softmax(dim=-1) @ value


def poca(query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
    """Compute `poca_reference` tile by tile; the reference itself runs on the meta device and during an export."""
    form = poca_reference if query.is_meta or torch.compiler.is_exporting() else TiledPoCA.apply
    return form(query, key, value, radius, direction)


def poca_by_flex_attention(query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
    """Compute `poca_reference` by FlexAttention, which is imported on first use because it imports the compiler."""
    from ptycho_bench.models.ppn.poca_flex import flex_poca

    return flex_poca(query, key, value, radius, direction)


FORMS = {"auto": poca, "reference": poca_reference, "tiled": TiledPoCA.apply, "flex": poca_by_flex_attention}


def full_precision(device: torch.device) -> AbstractContextManager:
    """Return a context without autocast; it does nothing on devices that have no autocast, such as meta."""
    available = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if available else nullcontext()


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """Reshape (B, N, width) to (B, heads, N, width / heads)."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)


class PoCA(nn.Module):
    """Multi-head polar coordinate attention over the pixels of a pattern, with a learned centre.

    Args:
        width: channels; must be divisible by heads.
        heads: attention heads, each of width / heads channels.
        height: rows of the pattern.
        width_px: columns of the pattern.
        attend: implementation of Eq. 8; `poca` stores no N x N map, `poca_reference` does.

    Raises:
        ValueError: If the width is not divisible by heads.
    """

    def __init__(
        self, *, width: Width, heads: Depth, height: int, width_px: int, attend: Callable[..., Tensor] = poca
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide the width {width}, got {heads}")
        self.heads, self.height, self.width_px = heads, height, width_px
        self.attend = attend
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.center_logit = nn.Parameter(torch.zeros(2))
        self.register_buffer("half_px", torch.tensor([height / 2, width_px / 2]), persistent=False)

    @property
    def center_shift(self) -> Tensor:
        """Shift (alpha_y, alpha_x) of Eq. 5, kept in (-0.5, 0.5) by a tanh; the gradient of a clamp would vanish."""
        return 0.5 * torch.tanh(2 * self.center_logit)

    @property
    def center_px(self) -> Tensor:
        """Learned centre (y, x) of the diffraction pattern in pixels (Eq. 5)."""
        return self.half_px * (1 + self.center_shift)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, N, width), pixels in row-major order, to (B, N, width)."""
        batch, count, width = tokens.shape
        query, key, value = (
            split_heads(layer(tokens), self.heads).float().flatten(0, 1) for layer in (self.query, self.key, self.value)
        )  # Eq. 4, (B heads, N, width / heads)
        with full_precision(tokens.device):  # bf16 logits would be too coarse for the exponential
            radius, direction = polar_coordinates(self.center_px, self.height, self.width_px)
            mixed = self.attend(query, key, value, radius, direction).view(batch, self.heads, count, -1)
        return self.out(mixed.transpose(1, 2).reshape(batch, count, width))
