"""How good a reconstruction is: against the truth where there is one, against its patterns, and half against half."""

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.evaluation.align import align_object
from ptycho_bench.evaluation.evaluate import Images, MetricProtocol
from ptycho_bench.evaluation.frc import RingCorrelation, fourier_ring_correlation
from ptycho_bench.evaluation.metrics import GAUSSIAN_SIDE
from ptycho_bench.evaluation.misfit import Misfit, diffraction_misfit
from ptycho_bench.evaluation.stitch import scored_rectangle
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.physics.scan import whole_px
from ptycho_bench.reconstruction.result import Reconstruction

WELL_COVERED = 0.98  # share of the pixels


def halves(scan_index: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points parted like the squares of a chessboard, so that each half covers the whole field."""
    odd = scan_index[points].sum(axis=1) % 2 == 1
    if odd.all() or not odd.any():
        raise ValueError(f"{len(points)} points cannot be parted into halves; a resolution needs more")
    return points[~odd], points[odd]


def truth_scaling(truth: Tensor) -> Scaling:
    """Range of a true object, complex (rows, columns), where no training part gives one."""
    amplitude, phase = truth.abs(), truth.angle()
    return Scaling(
        amplitude_low=amplitude.min().item(), amplitude_high=amplitude.max().item(), phase_low=phase.min().item(),
        phase_high=phase.max().item(), intensity_max=1.0, intensity_p995=1.0,
    )  # fmt: skip


def against_truth(
    result: Reconstruction, truth: Tensor, *, patch_px: int, scaling: Scaling, protocol: MetricProtocol
) -> dict[str, float]:
    """Metrics of the stitched object on the rectangle between the outermost patch centres.

    A solver's object is first brought to the truth by what far-field ptychography leaves open: one phase, and where the
    probe was refined also the amplitude's scale, a phase ramp and a shift. A network's is taken as it is.

    Args:
        result: what was reconstructed.
        truth: complex (rows, columns) on the same field.
        patch_px: side of a patch.
        scaling: brings both to [0, 1].
        protocol: how metrics are taken.
    """
    window = scored_rectangle(tuple(truth.shape), patch_px, GAUSSIAN_SIDE)
    obj, truth, covered = result.obj[window], truth[window], result.covered[window]
    mask = None if covered.all() else covered
    if result.errors:
        open_too = result.refined
        obj = align_object(obj, truth, mask=mask, amplitude_scale=open_too, ramp=open_too, shift=open_too)
    pred, target = (Images(field.abs(), field.angle()) for field in (obj, truth))
    return {name: value.item() for name, value in protocol.measure_all(pred, target, scaling, mask).items()}


def half_against_half(
    first: Reconstruction, second: Reconstruction, corners: tuple[Tensor, Tensor], *, patch_px: int,
    pixel_size_m: float | None,
) -> RingCorrelation:  # fmt: skip
    """Fourier ring correlation of two reconstructions from one half of the patterns each, on the field both know.

    Args:
        first: from one half.
        second: from the other.
        corners: (n, 2) top-left positions of each half's points, in one frame.
        patch_px: side of a patch.
        pixel_size_m: side of an object pixel; or None.

    Raises:
        ValueError: halves whose common field is too small.
    """
    origins = [whole_px(half).amin(dim=0) for half in corners]
    ends = [origin + torch.tensor(half.obj.shape) for origin, half in zip(origins, (first, second), strict=True)]
    top_left, bottom_right = torch.maximum(*origins), torch.minimum(*ends)
    fields, covered = [], []
    for origin, half in zip(origins, (first, second), strict=True):
        (top, left), (bottom, right) = (top_left - origin).tolist(), (bottom_right - origin).tolist()
        fields.append(half.obj[top:bottom, left:right])
        covered.append(half.covered[top:bottom, left:right])
    if min(fields[0].shape) == 0:
        raise ValueError("the two halves share no field; there are too few points for a resolution")
    scored = scored_rectangle(tuple(fields[0].shape), patch_px, GAUSSIAN_SIDE)
    both = (covered[0] & covered[1])[scored]
    window = covered_rectangle(both)
    mask, one, other = (field[window] for field in (both, *(field[scored] for field in fields)))
    if first.errors:
        one = align_object(one, other, mask=mask, amplitude_scale=True, ramp=first.refined, shift=first.refined)
    one, other = (field.where(mask, field[mask].mean()) for field in (one, other))
    return fourier_ring_correlation(one, other, pixel_size_m=pixel_size_m)


def covered_rectangle(covered: Tensor) -> tuple[slice, slice]:
    """A rectangle with hardly an uncovered pixel, found from the whole field by cutting off, again and again, the side
    with the largest share of them.

    Args:
        covered: bool (rows, columns).

    Raises:
        ValueError: nothing is left.
    """
    top, bottom, left, right = 0, covered.shape[0], 0, covered.shape[1]
    while covered[top:bottom, left:right].double().mean() < WELL_COVERED:
        field = ~covered[top:bottom, left:right]
        shares = torch.stack([side.double().mean() for side in (field[0], field[-1], field[:, 0], field[:, -1])])
        side = int(shares.argmax())
        top, bottom = top + (side == 0), bottom - (side == 1)
        left, right = left + (side == 2), right - (side == 3)
        if top >= bottom or left >= right:
            raise ValueError("no rectangle of the field is covered by both halves; there are too few points")
    return slice(top, bottom), slice(left, right)


def own_misfit(scan: PtychoScan, points: np.ndarray, result: Reconstruction, corners: Tensor) -> Misfit | None:
    """Diffraction misfit of a reconstruction against the patterns it came from; None where no probe is known."""
    if result.probe is None and scan.probe is None:
        return None
    probe = scan.measurement().probe if result.probe is None else result.probe
    return diffraction_misfit(
        lambda batch: scan.patterns(points[batch.numpy()]),
        corners,
        probe,
        result.obj,
        valid_mask=scan.valid_pixels(),
        subpixel=result.subpixel,
    )
