"""Polar coordinate attention (PoCA), Eqs. 5-8 of PPN: a plain reference, and a form that never keeps an N x N map."""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TILE_ROWS = 64  # queries of one tile on a CPU
TILE_ELEMENTS = 1 << 19  # logits of one tile: few enough to stay in a CPU's cache, enough to feed a matrix product
GPU_TILE_ELEMENTS = 1 << 26  # on a GPU, where each tile costs a launch: 256 MiB a map


def polar_coordinates(center_px: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Polar coordinates of every pixel about a centre (Eqs. 5 and 6).

    Args:
        center_px: real (2,), (y, x) of the centre; gradients reach it.
        height: rows.
        width: columns.

    Returns:
        radius: (N,), log(1 + distance) / log(1 + r_max) with r_max half the diagonal.
        direction: (N, 2), (cos, sin) of the angle, so that cos(theta_m - theta_n) is a scalar product; (1, 0) where a
            pixel is the centre itself, as arctan2(0, 0) has it.
    """
    rows = torch.arange(height, device=center_px.device, dtype=center_px.dtype)
    columns = torch.arange(width, device=center_px.device, dtype=center_px.dtype)
    offset = torch.cartesian_prod(rows, columns) - center_px
    squared = offset.square().sum(dim=1)
    at_center = squared < 1e-12
    distance = torch.where(at_center, 1.0, squared).sqrt()  # the inner where keeps the gradient finite at the centre
    away = (~at_center).to(distance.dtype)
    radius = torch.log1p(distance * away) / math.log1p(math.hypot(height / 2, width / 2))
    direction = offset.flip(1) / distance[:, None] * away[:, None]
    return radius, direction + torch.stack((1 - away, torch.zeros_like(away)), dim=1)


def polar_map(radius_m: Tensor, direction_m: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
    """Modulation of Eq. 7, radial decay times angular continuity, for queries m (M,) and keys n (N,): (M, N)."""
    return (direction_m @ direction.T) / (1 + (radius_m[:, None] - radius[None, :]).abs())


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


class ChunkedPoCA(torch.autograd.Function):
    """`poca_reference` tile by tile; the backward pass computes the maps again instead of keeping them."""

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
        ctx.save_for_backward(query, key, value, radius, direction)
        scaled, keys = query / math.sqrt(query.shape[-1]), key.transpose(1, 2)
        out = query.new_empty(*query.shape[:2], value.shape[-1])
        for rows, groups in tiles(query):
            phi = polar_map(radius[rows], direction[rows], radius, direction)
            for g in groups:
                out[g, rows] = (scaled[g, rows] @ keys[g]).mul_(phi).softmax(dim=-1) @ value[g]
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_out: Tensor) -> tuple[Tensor, ...]:
        query, key, value, radius, direction = ctx.saved_tensors
        scale = 1 / math.sqrt(query.shape[-1])
        scaled, keys, values = query * scale, key.transpose(1, 2), value.transpose(1, 2)
        grad_query, grad_key, grad_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        grad_radius, grad_direction = torch.zeros_like(radius), torch.zeros_like(direction)
        for rows, groups in tiles(query):
            phi = polar_map(radius[rows], direction[rows], radius, direction)
            grad_phi = torch.zeros_like(phi)
            for g in groups:
                base = scaled[g, rows] @ keys[g]
                weights = (base * phi).softmax(dim=-1)
                grad_value[g].baddbmm_(weights.transpose(1, 2), grad_out[g, rows])
                grad_logits = torch._softmax_backward_data(grad_out[g, rows] @ values[g], weights, -1, weights.dtype)
                grad_phi += base.mul_(grad_logits).sum(dim=0)
                grad_base = grad_logits.mul_(phi)
                grad_query[g, rows] = (grad_base @ key[g]).mul_(scale)
                grad_key[g].baddbmm_(grad_base.transpose(1, 2), scaled[g, rows])
            accumulate_polar_gradient(rows, grad_phi, radius, direction, grad_radius, grad_direction)
        return grad_query, grad_key, grad_value, grad_radius, grad_direction


def accumulate_polar_gradient(
    rows: slice, grad_phi: Tensor, radius: Tensor, direction: Tensor, grad_radius: Tensor, grad_direction: Tensor
) -> None:
    """Carry a gradient of `polar_map` (M, N) on to radius (N,) and direction (N, 2) of queries and keys, in place."""
    difference = radius[rows, None] - radius[None, :]
    decay = 1 / (1 + difference.abs())
    grad_cosine = grad_phi * decay
    grad_direction[rows] += grad_cosine @ direction
    grad_direction += grad_cosine.T @ direction[rows]
    grad_difference = grad_cosine.mul_(direction[rows] @ direction.T).mul_(decay).mul_(difference.sign()).neg_()
    grad_radius[rows] += grad_difference.sum(dim=1)
    grad_radius -= grad_difference.sum(dim=0)


def tiles(query: Tensor) -> list[tuple[slice, list[slice]]]:
    """Blocks of queries, and for each the blocks of heads, that make tiles of the device's size."""
    heads, count, _ = query.shape
    elements = GPU_TILE_ELEMENTS if query.is_cuda else TILE_ELEMENTS
    rows = min(count, GPU_TILE_ELEMENTS // count if query.is_cuda else TILE_ROWS)
    group = max(1, elements // (rows * count))
    groups = [slice(first, first + group) for first in range(0, heads, group)]
    return [(slice(first, first + rows), groups) for first in range(0, count, rows)]


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
        lean: the form without N x N maps; False is the plain reference.

    Raises:
        ValueError: heads do not divide the width.
    """

    def __init__(self, *, width: int, heads: int, height: int, width_px: int, lean: bool = True) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide the width {width}, got {heads}")
        self.heads, self.height, self.width_px = heads, height, width_px
        self.attend = ChunkedPoCA.apply if lean else poca_reference
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
