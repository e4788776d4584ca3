"""Complex transmission functions from amplitude and phase."""

import math

import torch
from torch import Tensor


def transmission(amplitude: Tensor, phase: Tensor) -> Tensor:
    """Return the complex transmission function amplitude * exp(i phase).

    Args:
        amplitude: real (..., H, W), not negative.
        phase: real (..., H, W), radians.

    Returns:
        Complex (..., H, W).

    Raises:
        ValueError: If the shapes differ or the amplitude is negative anywhere.
    """
    if amplitude.shape != phase.shape:
        raise ValueError(f"amplitude is {tuple(amplitude.shape)}, phase {tuple(phase.shape)}; give both the same shape")
    if amplitude.min() < 0:
        raise ValueError(f"amplitude must be >= 0, got {amplitude.min():g}; take its modulus first")
    return torch.polar(amplitude, phase)


def wrap_phase(phase: Tensor) -> Tensor:
    """Wrap a phase in radians to [-pi, pi)."""
    return torch.remainder(phase + math.pi, 2 * math.pi) - math.pi


def rescale(amplitude: Tensor, phase: Tensor, *, scaling: str) -> tuple[Tensor, Tensor]:
    """Scale amplitude and phase to the ranges that an experiment uses.

    Args:
        amplitude: real (H, W).
        phase: real (H, W), radians.
        scaling: `published`: amplitude 0.5 + 0.5 minmax, phase -(pi/3) (phase + pi) / (2 pi), as in the PPN code;
            `wrapped`: the same amplitude, and the phase at its full span, wrapped; `none`: both unchanged.

    Returns:
        Amplitude, real (H, W), and phase, real (H, W), radians.

    Raises:
        ValueError: If the scaling is unknown, or the amplitude is constant and the scaling is not `none`.
    """
    if scaling == "none":
        return amplitude, phase
    if scaling not in ("published", "wrapped"):
        raise ValueError(f"scaling must be published, wrapped or none, got {scaling!r}")
    span = amplitude.max() - amplitude.min()
    if span == 0:
        raise ValueError(f"amplitude is {amplitude.max():g} everywhere, so it has no range to scale; use scaling: none")
    amplitude = 0.5 + 0.5 * (amplitude - amplitude.min()) / span
    if scaling == "wrapped":
        return amplitude, wrap_phase(phase)
    return amplitude, -(math.pi / 3) * (phase + math.pi) / (2 * math.pi)
