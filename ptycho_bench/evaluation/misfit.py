"""How far an object's diffraction patterns are from the measured ones; needs no truth."""

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

    `mean`: sum |sqrt(I) - |F(P O)|| / sum sqrt(I); `rms`: the root of sum (sqrt(I) - |F(P O)|)^2 / sum I.
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
    """Misfit over all patterns, which are asked for batch by batch.

    Args:
        patterns: takes int64 numbers (n,) on the CPU; returns their photons, real (n, H, W).
        positions_px: (N, 2), a patch's top-left (y, x) in the object.
        probe: complex (H, W), or (modes, H, W) whose intensities add; sqrt(photons), on the scale of the patterns.
        obj: complex (rows, columns); its device is where the work is done.
        valid_mask: bool (H, W), pixels that count; None: all.
        subpixel: the probe is moved by the positions' fractions; else they are rounded to whole pixels.
        batch_size: patterns at once.

    Raises:
        ValueError: positions outside the object, a probe of another size than the patterns, or patterns without a
            photon on the pixels that count.
    """
    device, probe = obj.device, probe.to(obj.device)
    corners, fraction_px = split_positions(positions_px)
    sums = torch.zeros(4, dtype=torch.float64, device=device)  # of |residual|, its square, modulus, its square
    for batch in torch.arange(len(corners)).split(batch_size):
        measured = patterns(batch).to(device).sqrt()
        sides, patch_px = tuple(measured.shape[-2:]), tuple(probe.shape[-2:])
        if sides != patch_px:
            raise ValueError(f"patterns are {sides} px, the probe {patch_px} px; crop one of them")
        patches = cut_patches(obj, corners[batch].double(), patch_px)
        beam = moved(probe, fraction_px[batch].to(device)) if subpixel else probe
        residual = (measured - diffraction_intensity(beam, patches).sqrt()).abs()
        if valid_mask is not None:
            measured, residual = (values[:, valid_mask.to(device)] for values in (measured, residual))
        sums += torch.stack(
            [part.sum().double() for part in (residual, residual.square(), measured, measured.square())]
        )
    difference, squared, total, photons = sums.tolist()
    if not total > 0:
        raise ValueError("the patterns sum to 0 on the pixels that count, bound: above 0; was the shutter closed?")
    return Misfit(difference / total, (squared / photons) ** 0.5)


def moved(probe: Tensor, fraction_px: Tensor) -> Tensor:
    """The probe (H, W) or (modes, H, W) moved by each of (n, 2) fractions of a pixel: (n, modes, H, W)."""
    modes = probe if probe.ndim == 3 else probe[None]
    return object_plane(far_field(modes) * shift_phase(fraction_px, *probe.shape[-2:]))
