"""Result of a reconstruction, and the true object on the same field."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.evaluation.canvas import Canvas
from ptycho_bench.physics.scan import whole_px


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A reconstructed object on the bounding box of the patches, at positions rounded to whole pixels.

    Args:
        obj: complex64 (rows, columns); 1 on pixels that no patch covers.
        covered: bool (rows, columns), True on pixels that a patch covers.
        probe: complex64 (modes, H, W), sqrt(photons); None for a network.
        refined: whether the solver refined the probe; the object then has an arbitrary amplitude scale and phase ramp.
        subpixel: whether the probe was shifted by fractions of pixels; if not, positions were rounded.
        misfits: diffraction misfit of each iteration; empty for a network.
        stopped: whether the solver stopped early because the misfit stagnated.
        seconds: run time of network and solver, s, including the time in which a solver reads patterns from the file.
    """

    obj: Tensor
    covered: Tensor
    probe: Tensor | None
    refined: bool
    subpixel: bool
    misfits: list[float]
    stopped: bool
    seconds: float


def patch_corners(scan: PtychoScan, points: np.ndarray) -> Tensor:
    """Return the top-left (y, x) of the points' patches in their field, float64 (n, 2), px.

    The smallest rounded position is the origin of the field.
    """
    positions = torch.from_numpy(scan.positions_px[points])
    return positions - whole_px(positions).amin(dim=0)


def truth_field(scan: PtychoScan, points: np.ndarray, weight: Tensor) -> Tensor | None:
    """Return the true object on the field of some points, complex64 (rows, columns); None if it is unknown.

    It is cut from the scan's object if there is one, and otherwise stitched from the true patches.

    Args:
        scan: the scan.
        points: int (n,), indices of the scan points.
        weight: real (H, W), weight of each pixel of a patch.
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
