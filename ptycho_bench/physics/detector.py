"""What a narrower or coarser detector does to the probe that predicts its patterns."""

import math

import torch
from torch import Tensor

from ptycho_bench.physics.forward import far_field, object_plane


def cropped_probe(probe: Tensor, top: int, left: int, side_px: int) -> Tensor:
    """The probe (modes, H, W) behind a detector cut to a square: a crop of its far field, so larger object pixels."""
    field = far_field(probe)[..., top : top + side_px, left : left + side_px]
    return object_plane(field.contiguous())


def binned_probe(probe: Tensor, bin_px: int) -> Tensor:
    """The probe (modes, H, H) behind a detector whose pixels were added up: its middle, with a phase ramp.

    The middle of the square that holds the zero frequency lies (bin - 1) / 2 detector pixels or so beside it; a ramp
    in the object plane moves the prediction there. What the squares blur is not in it.

    Returns:
        Complex (modes, H / bin, H / bin); the same probe for 1.
    """
    if bin_px == 1:
        return probe
    whole = probe.shape[-1]
    side = whole // bin_px
    beside = (side // 2 * bin_px + (bin_px - 1) / 2 - whole // 2) / bin_px  # in pixels of the binned pattern
    first = whole // 2 - side // 2
    place = torch.arange(side, dtype=torch.float64, device=probe.device) - side // 2
    ramp = torch.polar(torch.ones_like(place), -2 * math.pi * beside * place / side)
    middle = probe[..., first : first + side, first : first + side]
    return (middle * (ramp[:, None] * ramp)).to(probe.dtype)
