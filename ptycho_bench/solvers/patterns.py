"""Read measured patterns for an iterative solver, one batch at a time, and check its inputs."""

from collections.abc import Callable

import torch
from torch import Tensor

Patterns = Callable[[Tensor], Tensor]  # int64 indices (n,), on the CPU, to real (n, H, W), photons


def read_modulus(patterns: Patterns, batch: Tensor, probe: Tensor, bad_mask: Tensor | None) -> Tensor:
    """Read the square root of the photons of a batch of patterns, float32 (n, 1, H, W), 0 on bad pixels.

    Args:
        patterns: as `PIESolver.solve` takes them.
        batch: int64 (n,), indices of the patterns, on the CPU.
        probe: complex (..., H, W); the result is on its device.
        bad_mask: bool (H, W), True on bad pixels; None if there are none.

    Raises:
        ValueError: If the patterns differ in number from the batch or in size from the probe.
    """
    photons = patterns(batch)
    height, width = probe.shape[-2:]
    if photons.shape != (len(batch), height, width):
        raise ValueError(
            f"patterns are {tuple(photons.shape)}, but {len(batch)} of {(height, width)} px are needed; give a probe "
            "of their size"
        )
    photons = photons.to(probe.device, torch.float32).unsqueeze(1)
    return photons.sqrt() if bad_mask is None else photons.masked_fill(bad_mask, 0.0).sqrt_()


def check_inputs(positions_px: Tensor, probe: Tensor, obj: Tensor | None, valid_mask: Tensor | None) -> Tensor:
    """Check the shapes, dtypes and values of a solver's inputs and return the positions on the CPU.

    Args:
        positions_px: real (N, 2) as (y, x), px.
        probe: complex (H, W) or (modes, H, W), sqrt(photons).
        obj: complex (rows, columns), or None.
        valid_mask: bool (H, W), or None.

    Raises:
        ValueError: If an input has another shape or dtype, or a position is not finite.
    """
    if positions_px.ndim != 2 or positions_px.shape[1] != 2 or len(positions_px) == 0:
        raise ValueError(f"positions_px must be (N, 2) as (y, x), got {tuple(positions_px.shape)}")
    if not positions_px.isfinite().all():
        raise ValueError("positions_px contain NaN or infinite values; leave out those patterns")
    if probe.ndim not in (2, 3) or not probe.is_complex():
        raise ValueError(f"probe must be complex (H, W) or (modes, H, W), got {probe.dtype} {tuple(probe.shape)}")
    if obj is not None and obj.ndim != 2:
        raise ValueError(f"obj must be (rows, columns), got {tuple(obj.shape)}; one object for all patterns")
    if valid_mask is not None and (valid_mask.shape != probe.shape[-2:] or valid_mask.dtype != torch.bool):
        raise ValueError(
            f"valid_mask must be bool of the probe's {tuple(probe.shape[-2:])} px, got {valid_mask.dtype} "
            f"{tuple(valid_mask.shape)}; True marks a valid pixel"
        )
    return positions_px.cpu()


def mean_photons(patterns: Patterns, count: int, *, batch_size: int, valid_mask: Tensor | None = None) -> float:
    """Compute the number of photons of the mean pattern on valid pixels, for `scale_to_photons` of a guessed probe.

    Args:
        patterns: as `PIESolver.solve` takes them.
        count: number of patterns.
        batch_size: number of patterns read at once.
        valid_mask: bool (H, W), True on valid detector pixels; None if all are valid.
    """
    total = 0.0
    for batch in torch.arange(count).split(batch_size):
        photons = patterns(batch).double()
        total += (photons if valid_mask is None else photons.where(valid_mask.to(photons.device), 0.0)).sum().item()
    return total / count
