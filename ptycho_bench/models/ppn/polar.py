"""Polar coordinates of a pattern's pixels about a learned centre, and the modulation they give (PPN, Eqs. 5-7)."""

import math

import torch
from torch import Tensor


def polar_coordinates(center_px: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Compute the polar coordinates of every pixel about a centre (Eqs. 5 and 6).

    Args:
        center_px: real (2,), (y, x) of the centre in pixels; differentiable.
        height: rows of the pattern.
        width: columns of the pattern.

    Returns:
        radius: (N,), log(1 + distance) / log(1 + r_max), where r_max is half the diagonal.
        direction: (N, 2), (cos, sin) of the angle, so that cos(theta_m - theta_n) is a scalar product; (1, 0) for a
            pixel at the centre itself, since arctan2(0, 0) = 0.
    """
    rows = torch.arange(height, device=center_px.device, dtype=center_px.dtype)
    columns = torch.arange(width, device=center_px.device, dtype=center_px.dtype)
    offset = torch.cartesian_prod(rows, columns) - center_px
    squared = offset.square().sum(dim=1)
    at_center = squared < 1e-12
    distance = torch.where(at_center, 1.0, squared).sqrt()  # keeps the gradient finite at the centre
    away = (~at_center).to(distance.dtype)
    radius = torch.log1p(distance * away) / math.log1p(math.hypot(height / 2, width / 2))
    direction = offset.flip(1) / distance[:, None] * away[:, None]
    return radius, direction + torch.stack((1 - away, torch.zeros_like(away)), dim=1)


def polar_map(radius_m: Tensor, direction_m: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
    """Return the modulation of Eq. 7, radial decay times angular continuity, of queries m and keys n: (M, N)."""
    return (direction_m @ direction.T) / (1 + (radius_m[:, None] - radius[None, :]).abs())
