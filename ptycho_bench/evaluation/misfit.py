"""Misfit between measured diffraction patterns and those of a reconstructed object; needs no true object."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_bench.physics.forward import diffraction_intensity, far_field, object_plane
from ptycho_bench.physics.probe_modes import shift_phase
from ptycho_bench.physics.scan import cut_patches
from ptycho_bench.solvers.pie_windows import split_positions


class Misfit(NamedTuple):
    """Distance between measured and predicted moduli; 0 is a perfect fit.

    mean: sum |sqrt(I) - |F(P O)|| / sum sqrt(I).
    rms: square root of sum (sqrt(I) - |F(P O)|)^2 / sum I.
    """

    mean: float
    rms: float


@torch.no_grad()
def diffraction_misfit(
    patterns: Callable[[Tensor], Tensor],
    positions_px: Tensor,
    probe: Tensor,
    obj: Tensor,
    *,
    valid_mask: Tensor | None = None,
    subpixel: bool = False,
    batch_size: int = 64,
) -> Misfit:
    """Compute the misfit over all patterns, which are read in batches.

    Args:
        patterns: takes pattern numbers, int64 (n,), on the CPU; returns real (n, H, W), photons.
        positions_px: (N, 2), top-left (y, x) of each patch in the object.
        probe: complex (H, W), or (modes, H, W) whose intensities add; sqrt(photons), on the scale of the patterns.
        obj: complex (rows, columns); the computation runs on its device.
        valid_mask: bool (H, W), detector pixels that count; None means all.
        subpixel: whether the probe is shifted by the fractions of the positions; if not, positions are rounded.
        batch_size: patterns per batch.

    Raises:
        ValueError: If a position lies outside the object, the probe and the patterns differ in size, or the patterns
            contain no photon on the pixels that count.
    """
    device, probe = obj.device, probe.to(obj.device)
    corners, fraction_px = split_positions(positions_px)
    sums = torch.zeros(4, dtype=torch.float64, device=device)  # sums of |residual|, residual^2, modulus and modulus^2
    for batch in torch.arange(len(corners)).split(batch_size):
        measured = patterns(batch).to(device).sqrt()
        sides, patch_px = tuple(measured.shape[-2:]), tuple(probe.shape[-2:])
        if sides != patch_px:
            raise ValueError(f"patterns have {sides} px, the probe {patch_px} px; crop one of them")
        patches = cut_patches(obj, corners[batch].double(), patch_px)
        beam = shift_probe(probe, fraction_px[batch].to(device)) if subpixel else probe
        residual = (measured - diffraction_intensity(beam, patches).sqrt()).abs()
        if valid_mask is not None:
            measured, residual = (values[:, valid_mask.to(device)] for values in (measured, residual))
        sums += torch.stack(
            [part.sum().double() for part in (residual, residual.square(), measured, measured.square())]
        )
    difference, squared, total, photons = sums.tolist()
    if not total > 0:
        raise ValueError(
            "the patterns sum to 0 on the pixels that count, but must have photons; was the shutter closed?"
        )
    return Misfit(difference / total, (squared / photons) ** 0.5)


def shift_probe(probe: Tensor, fraction_px: Tensor) -> Tensor:
    """Shift a probe (H, W) or (modes, H, W) by each of (n, 2) fractions of a pixel; return (n, modes, H, W)."""
    modes = probe if probe.ndim == 3 else probe[None]
    return object_plane(far_field(modes) * shift_phase(fraction_px, *probe.shape[-2:]))
