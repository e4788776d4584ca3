"""How far an object's diffraction patterns are from the measured ones; needs no truth."""

from collections.abc import Callable

import torch
from torch import Tensor

from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.scan import cut_patches


@torch.no_grad()
def diffraction_misfit(
    patterns: Callable[[Tensor], Tensor],
    positions_px: Tensor,
    probe: Tensor,
    obj: Tensor,
    *,
    good: Tensor | None = None,
    batch_size: int = 64,
) -> float:
    """sum |sqrt(I) - |F(P O)|| / sum sqrt(I) over all patterns, which are asked for batch by batch; 0 is a perfect fit.

    Args:
        patterns: takes int64 numbers (n,) on the CPU; returns their photons, real (n, H, W).
        positions_px: (N, 2), a patch's top-left (y, x) in the object; rounded to whole pixels.
        probe: complex (H, W), or (modes, H, W) whose intensities add; sqrt(photons), on the scale of the patterns.
        obj: complex (rows, columns); its device is where the work is done.
        good: bool (H, W), pixels that count; None: all.
        batch_size: patterns at once.

    Raises:
        ValueError: positions outside the object, a probe of another size than the patterns, or patterns without a
            photon on the pixels that count.
    """
    device, corners = obj.device, positions_px.round()
    probe = probe.to(device)
    difference = total = torch.zeros((), dtype=torch.float64, device=device)
    for batch in torch.arange(len(corners)).split(batch_size):
        measured = patterns(batch).to(device).sqrt()
        sides, patch_px = tuple(measured.shape[-2:]), tuple(probe.shape[-2:])
        if sides != patch_px:
            raise ValueError(f"patterns are {sides} px, the probe {patch_px} px; crop one of them")
        patches = cut_patches(obj, corners[batch], patch_px)
        residual = (measured - diffraction_intensity(probe, patches).sqrt()).abs()
        if good is not None:
            measured, residual = (values[:, good.to(device)] for values in (measured, residual))
        difference, total = difference + residual.sum().double(), total + measured.sum().double()
    if not total > 0:
        raise ValueError("the patterns sum to 0 on the pixels that count, bound: above 0; was the shutter closed?")
    return (difference / total).item()
