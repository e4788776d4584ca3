"""Polar coordinate attention (PoCA), Eqs. 4-8 of PPN: the plain reference, and the module, its memory linear in N."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from ptycho_bench.models.ppn.poca_tiles import TiledPoCA
from ptycho_bench.models.ppn.polar import polar_coordinates, polar_map


def poca_reference(query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(d) * Phi_r * Phi_theta) V, written out (Eq. 8); keeps N x N maps.

    Args:
        query: (G, N, d), G any batch of heads.
        key: (G, N, d).
        value: (G, N, d_v).
        radius: (N,), see `polar_coordinates`.
        direction: (N, 2).

    Returns:
        (G, N, d_v).
    """
    logits = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
    return (logits * polar_map(radius, direction, radius, direction)).softmax(dim=-1) @ value


def poca(query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
    """`poca_reference` in the form that suits the device; the plain one where no numbers are: on meta, in a graph."""
    form = poca_reference if query.is_meta or torch.compiler.is_exporting() else TiledPoCA.apply
    return form(query, key, value, radius, direction)


def flex(query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
    """`poca_reference` by FlexAttention; imported when it is first asked for, since that imports the compiler."""
    from ptycho_bench.models.ppn.poca_flex import flex_poca

    return flex_poca(query, key, value, radius, direction)


FORMS = {"auto": poca, "reference": poca_reference, "tiled": TiledPoCA.apply, "flex": flex}


def full_precision(device: torch.device) -> AbstractContextManager:
    """No autocast within; nothing on a device that has none, as meta."""
    known = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if known else nullcontext()


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """(B, N, width) to (B, heads, N, width / heads)."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)


class PoCA(nn.Module):
    """Multi-head polar coordinate attention over the pixels of a pattern, with a learned centre.

    Args:
        width: channels; must divide by heads.
        heads: attention heads, each width / heads wide.
        height: rows of the pattern.
        width_px: columns of the pattern.
        attend: Eq. 8; `poca` keeps no N x N map, `poca_reference` does.

    Raises:
        ValueError: heads do not divide the width.
    """

    def __init__(
        self, *, width: int, heads: int, height: int, width_px: int, attend: Callable[..., Tensor] = poca
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
        """(alpha_y, alpha_x) of Eq. 5, kept in (-0.5, 0.5) by a tanh, whose gradient never dies as a clamp's would."""
        return 0.5 * torch.tanh(2 * self.center_logit)

    @property
    def center_px(self) -> Tensor:
        """Learned centre (y, x) of the diffraction pattern (Eq. 5)."""
        return self.half_px * (1 + self.center_shift)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, width) to (B, N, width), pixels row by row."""
        batch, count, width = tokens.shape
        query, key, value = (
            split_heads(layer(tokens), self.heads).float().flatten(0, 1) for layer in (self.query, self.key, self.value)
        )  # Eq. 4, (B heads, N, width / heads)
        with full_precision(tokens.device):  # exponentials of a bf16 logit would be too coarse
            radius, direction = polar_coordinates(self.center_px, self.height, self.width_px)
            mixed = self.attend(query, key, value, radius, direction).view(batch, self.heads, count, -1)
        return self.out(mixed.transpose(1, 2).reshape(batch, count, width))
