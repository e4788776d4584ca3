"""Quality of a reconstruction: against the true object, against the measured patterns, and between two halves."""

import dataclasses

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.evaluation.align import align_object
from ptycho_bench.evaluation.field import FieldScore, score_field
from ptycho_bench.evaluation.frc import RingCorrelation, fourier_ring_correlation
from ptycho_bench.evaluation.images import Images
from ptycho_bench.evaluation.metrics import GAUSSIAN_SIDE
from ptycho_bench.evaluation.misfit import Misfit, diffraction_misfit
from ptycho_bench.evaluation.protocol import MetricProtocol
from ptycho_bench.evaluation.stitch import scored_rectangle
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.physics.scan import whole_px
from ptycho_bench.reconstruction.result import Reconstruction

WELL_COVERED = 0.98  # share of covered pixels in a rectangle


def checkerboard_halves(scan_index: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split scan points like the squares of a checkerboard, so that each half covers the whole field.

    Args:
        scan_index: int (N, 2), (row, column) of each scan point.
        points: int (n,), indices of the points to split.

    Raises:
        ValueError: If one half would be empty.
    """
    odd = scan_index[points].sum(axis=1) % 2 == 1
    if odd.all() or not odd.any():
        raise ValueError(f"{len(points)} points cannot be split into two halves; a resolution needs more points")
    return points[~odd], points[odd]


def score_against_truth(
    result: Reconstruction,
    truth: Tensor,
    window: tuple[slice, slice],
    *,
    patch_px: int,
    scaling: Scaling | None,
    protocol: MetricProtocol,
) -> FieldScore:
    """Score a reconstructed object.

    A solver's object is first aligned with the truth by the ambiguities of far-field ptychography: a constant phase,
    and if the probe was refined also the scale of the amplitude, a phase ramp and a shift. A network's object is not
    aligned.

    Args:
        result: the reconstruction.
        truth: true object, complex (rows, columns), on the same field.
        window: rows and columns of the field that are scored, see `stitch.scored_window`.
        patch_px: side of a patch.
        scaling: value ranges that are scaled to [0, 1]; None: those of the truth in the window.
        protocol: definition of the metrics.
    """
    obj, truth, covered = result.obj[window], truth[window], result.covered[window]
    mask = None if covered.all() else covered
    if result.misfits:
        refined = result.refined
        obj = align_object(obj, truth, mask=mask, amplitude_scale=refined, ramp=refined, shift=refined)
    pred, target = (Images(field.abs(), field.angle()) for field in (obj, truth))
    return score_field(pred, target, covered, scaling=scaling, protocol=protocol, block_px=patch_px)


def constant_guess(result: Reconstruction, truth: Tensor, window: tuple[slice, slice]) -> Reconstruction:
    """Return the constant guess, whose object is the mean of the truth in the scored window, in place of a result.

    Args:
        result: the reconstruction.
        truth: true object, complex (rows, columns), on the same field.
        window: rows and columns of the field that are scored.
    """
    true, covered = truth[window], result.covered[window]
    mean = Images(true.abs(), true.angle()).mean(None if covered.all() else covered)
    return dataclasses.replace(result, obj=mean.transmission().expand(result.obj.shape), probe=None, subpixel=False)


def correlate_halves(
    first: Reconstruction, second: Reconstruction, corners: tuple[Tensor, Tensor], *, patch_px: int,
    pixel_size_m: float | None,
) -> RingCorrelation:  # fmt: skip
    """Compute the Fourier ring correlation of reconstructions from two halves of the patterns, on their common field.

    Args:
        first: reconstruction from one half of the patterns.
        second: reconstruction from the other half.
        corners: real (n, 2) for each half, top-left (y, x) of its patches, both in the same coordinates, px.
        patch_px: side of a patch.
        pixel_size_m: side of an object pixel; None if unknown.

    Raises:
        ValueError: If the common field of the halves is too small.
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
        raise ValueError("the two halves have no common field; a resolution needs more points")
    scored = scored_rectangle(tuple(fields[0].shape), patch_px, GAUSSIAN_SIDE)
    both = (covered[0] & covered[1])[scored]
    window = covered_rectangle(both)
    mask, one, other = (field[window] for field in (both, *(field[scored] for field in fields)))
    if first.misfits:
        one = align_object(one, other, mask=mask, amplitude_scale=True, ramp=first.refined, shift=first.refined)
    one, other = (field.where(mask, field[mask].mean()) for field in (one, other))
    return fourier_ring_correlation(one, other, pixel_size_m=pixel_size_m)


def covered_rectangle(covered: Tensor) -> tuple[slice, slice]:
    """Return a rectangle in which a share of at least `WELL_COVERED` of the pixels is covered.

    It is found from the whole field by repeatedly removing the border row or column with the most uncovered pixels.

    Args:
        covered: bool (rows, columns).

    Returns:
        Rows and columns of the rectangle.

    Raises:
        ValueError: If no rectangle remains.
    """
    top, bottom, left, right = 0, covered.shape[0], 0, covered.shape[1]
    while covered[top:bottom, left:right].double().mean() < WELL_COVERED:
        field = ~covered[top:bottom, left:right]
        shares = torch.stack([side.double().mean() for side in (field[0], field[-1], field[:, 0], field[:, -1])])
        side = int(shares.argmax())
        top, bottom = top + (side == 0), bottom - (side == 1)
        left, right = left + (side == 2), right - (side == 3)
        if top >= bottom or left >= right:
            raise ValueError("no rectangle of the field is covered by both halves; a resolution needs more points")
    return slice(top, bottom), slice(left, right)


def reconstruction_misfit(
    scan: PtychoScan, points: np.ndarray, result: Reconstruction, corners: Tensor
) -> Misfit | None:
    """Compute the diffraction misfit of a reconstruction against its patterns; None if the probe is unknown.

    Args:
        scan: the scan.
        points: int (n,), indices of the scan points that were reconstructed.
        result: the reconstruction.
        corners: real (n, 2), top-left (y, x) of the patches in the object, px.
    """
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
