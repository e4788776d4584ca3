"""Measured patterns as an iterative solver meets them: a batch at a time, checked."""

from collections.abc import Callable

import torch
from torch import Tensor

Patterns = Callable[[Tensor], Tensor]  # int64 (n,), on the CPU, to real (n, H, W), photons


def read_modulus(patterns: Patterns, batch: Tensor, probe: Tensor, bad: Tensor | None) -> Tensor:
    """Root of the photons of a batch's patterns, float32 (n, 1, H, W), 0 on bad pixels.

    Raises:
        ValueError: patterns of another number or size.
    """
    photons = patterns(batch)
    height, width = probe.shape[-2:]
    if photons.shape != (len(batch), height, width):
        raise ValueError(
            f"patterns are {tuple(photons.shape)}, {len(batch)} of {(height, width)} px are needed; give a probe of "
            "their size"
        )
    photons = photons.to(probe.device, torch.float32).unsqueeze(1)
    return photons.sqrt() if bad is None else photons.masked_fill(bad, 0.0).sqrt_()


def check_shapes(positions_px: Tensor, probe: Tensor, obj: Tensor | None, valid_mask: Tensor | None) -> Tensor:
    """The positions, on the CPU; raise ValueError for arrays that cannot be what they are called."""
    if positions_px.ndim != 2 or positions_px.shape[1] != 2 or len(positions_px) == 0:
        raise ValueError(f"positions_px must be (N, 2) as (y, x), got {tuple(positions_px.shape)}")
    if not positions_px.isfinite().all():
        raise ValueError("positions_px hold NaN or infinite values; leave those patterns out")
    if probe.ndim not in (2, 3) or not probe.is_complex():
        raise ValueError(f"probe must be complex (H, W) or (modes, H, W), got {probe.dtype} {tuple(probe.shape)}")
    if obj is not None and obj.ndim != 2:
        raise ValueError(f"obj must be (rows, columns), got {tuple(obj.shape)}; one object for all patterns")
    if valid_mask is not None and (valid_mask.shape != probe.shape[-2:] or valid_mask.dtype != torch.bool):
        raise ValueError(
            f"valid_mask must be bool of the probe's {tuple(probe.shape[-2:])} px, got {valid_mask.dtype} {tuple(valid_mask.shape)}; "
            "True marks a valid pixel"
        )
    return positions_px.cpu()


def mean_photons(patterns: Patterns, count: int, *, batch_size: int, valid_mask: Tensor | None = None) -> float:
    """Photons of the mean pattern, valid pixels only: what `scale_to_photons` brings a guessed probe to.

    Args:
        patterns: as `PIESolver.solve` takes them.
        count: how many there are.
        batch_size: read at once.
        valid_mask: bool (H, W), True where the detector can be believed.
    """
    total = 0.0
    for batch in torch.arange(count).split(batch_size):
        photons = patterns(batch).double()
        total += (photons if valid_mask is None else photons.where(valid_mask.to(photons.device), 0.0)).sum().item()
    return total / count
