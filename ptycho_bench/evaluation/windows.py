"""Window functions that make an image fade to its edges before a Fourier transform."""

import math

import torch
from torch import Tensor


def apply_window(image: Tensor, edge: float) -> Tensor:
    """Subtract the weighted mean of an image and multiply it by a Tukey window; return complex128 (rows, columns)."""
    rows, columns = (tukey_window(side, edge, image.device) for side in image.shape)
    window, image = rows[:, None] * columns, image.to(torch.complex128)
    return (image - (image * window).sum() / window.sum()) * window


def tukey_window(side: int, edge: float, device: torch.device | None = None) -> Tensor:
    """Return a Tukey window, float64 (side,): 1 inside, with a Hann slope over the fraction `edge` at each end."""
    if edge == 0:
        return torch.ones(side, dtype=torch.float64, device=device)
    centre_px = torch.arange(side, dtype=torch.float64, device=device) + 0.5
    to_edge = torch.minimum(centre_px, side - centre_px) / (edge * side)
    return 0.5 - 0.5 * torch.cos(math.pi * to_edge.clamp(max=1))
