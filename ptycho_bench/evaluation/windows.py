"""Fields that fade to their edges, so that a Fourier transform does not see where they end."""

import math

import torch
from torch import Tensor


def windowed(image: Tensor, edge: float) -> Tensor:
    """Complex128 (rows, columns): the image less its mean under the window, times the window."""
    rows, columns = (tukey_window(side, edge, image.device) for side in image.shape)
    window, image = rows[:, None] * columns, image.to(torch.complex128)
    return (image - (image * window).sum() / window.sum()) * window


def tukey_window(side: int, edge: float, device: torch.device | None = None) -> Tensor:
    """Tukey window, float64 (side,): 1 inside, a Hann slope over `edge` of the side at each end."""
    if edge == 0:
        return torch.ones(side, dtype=torch.float64, device=device)
    middle = torch.arange(side, dtype=torch.float64, device=device) + 0.5
    nearest = torch.minimum(middle, side - middle) / (edge * side)
    return 0.5 - 0.5 * torch.cos(math.pi * nearest.clamp(max=1))
