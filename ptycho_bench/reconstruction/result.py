"""What a reconstruction gives, and the field it lies on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.evaluation.stitch import Canvas
from ptycho_bench.physics.scan import whole_px


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """An object on the bounding box of its scan points, rounded to whole pixels.

    Args:
        obj: complex64 (rows, columns); 1 where nothing was seen.
        covered: bool (rows, columns), True where some patch lies.
        probe: complex64 (modes, H, W), sqrt(photons); None: not needed.
        refined: the probe is the solver's own, so that the object's amplitude scale and phase ramp are open.
        subpixel: the probe stood at fractions of pixels; else positions were rounded.
        errors: misfit of each iteration; empty for a network.
        stopped: the solver ended for stagnation.
        seconds: of network or solver, warm start included; patterns a solver reads from the file meanwhile count too.
    """

    obj: Tensor
    covered: Tensor
    probe: Tensor | None
    refined: bool
    subpixel: bool
    errors: list[float]
    stopped: bool
    seconds: float


def corners_of(scan: PtychoScan, points: np.ndarray) -> Tensor:
    """float64 (n, 2), top-left (row, column) of the points' patches in the field, which begins at the smallest."""
    positions = torch.from_numpy(scan.positions_px[points])
    return positions - whole_px(positions).amin(dim=0)


def truth_field(scan: PtychoScan, points: np.ndarray, weight: Tensor) -> Tensor | None:
    """The true object on the field of these points, complex64 (rows, columns); None where nobody knows it.

    Cut from the scan's object where there is one, else its patches stitched with `weight` (H, W).
    """
    positions = torch.from_numpy(scan.positions_px[points])
    if scan.obj is not None:
        corners = whole_px(positions)
        (top, left), (bottom, right) = corners.amin(dim=0).tolist(), (corners.amax(dim=0) + scan.patch_px).tolist()
        return torch.from_numpy(scan.obj[top:bottom, left:right])
    if scan.amplitude is None:
        return None
    canvas = Canvas(positions, weight)
    for part in np.array_split(points, -(-len(points) // 1024)):
        _, amplitude, phase = scan.tensors(part)
        canvas.add(torch.from_numpy(scan.positions_px[part]), amplitude=amplitude, cosine=phase.cos(), sine=phase.sin())
    phase = torch.atan2(canvas.field("sine"), canvas.field("cosine"))
    return torch.polar(canvas.field("amplitude"), phase).to(torch.complex64)
