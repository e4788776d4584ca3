"""Adapt a probe to patterns that were cropped or binned on the detector."""

import math

import torch
from torch import Tensor

from ptycho_bench.physics.forward import far_field, object_plane


def cropped_probe(probe: Tensor, top: int, left: int, side_px: int) -> Tensor:
    """Return the probe (modes, H, W) for a detector cropped to a square.

    The crop of its far field makes the object pixels larger.

    Args:
        probe: complex (modes, H, W), sqrt(photons).
        top: first detector row of the square, px.
        left: first detector column of the square, px.
        side_px: side of the square.

    Returns:
        Complex (modes, side_px, side_px).
    """
    field = far_field(probe)[..., top : top + side_px, left : left + side_px]
    return object_plane(field.contiguous())


def binned_probe(probe: Tensor, bin_px: int) -> Tensor:
    """Return the probe (modes, H, H) for a detector whose pixels are summed in squares: its centre, times a phase ramp.

    The centre of the square that contains the zero frequency is about (bin - 1) / 2 detector pixels away from it; a
    ramp in the object plane shifts the predicted pattern by that distance. The blur of the binning is not modelled.

    Args:
        probe: complex (modes, H, H), sqrt(photons).
        bin_px: side of the squares, detector pixels; it must divide H.

    Returns:
        Complex (modes, H / bin, H / bin); the same probe if bin_px is 1.
    """
    if bin_px == 1:
        return probe
    whole = probe.shape[-1]
    side = whole // bin_px
    offset = (side // 2 * bin_px + (bin_px - 1) / 2 - whole // 2) / bin_px  # in pixels of the binned pattern
    first = whole // 2 - side // 2
    place = torch.arange(side, dtype=torch.float64, device=probe.device) - side // 2
    ramp = torch.polar(torch.ones_like(place), -2 * math.pi * offset * place / side)
    centre = probe[..., first : first + side, first : first + side]
    return (centre * (ramp[:, None] * ramp)).to(probe.dtype)
