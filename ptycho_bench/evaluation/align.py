"""Removal of the ambiguities of far-field ptychography from a solved object before it is compared with the truth."""

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.evaluation.windows import apply_window

MAX_STEPS = 20  # of a search; Newton's method needs 4 to 6 steps, a shift by several pixels about 10
RAMP_TOLERANCE_RAD = 1e-9  # change of the ramp's phase at the edge of the field, below which the search ends
SHIFTS_PER_PX = 100  # resolution of the shift
SPLINE_ORDER = 5  # of the interpolation that shifts a field


def align_object(
    obj: Tensor, truth: Tensor, *, mask: Tensor | None = None, amplitude_scale: bool, ramp: bool, shift: bool
) -> Tensor:
    """Align a solved object with the truth by least squares and return it.

    The global phase is always ambiguous. If the probe was refined as well, there are three further ambiguities: the
    amplitude scale, which the probe compensates, a linear phase ramp, which the probe compensates with the opposite
    sign, and a shift of object and probe together.

    Args:
        obj: complex (rows, columns), solved object.
        truth: complex (rows, columns), true object.
        mask: bool (rows, columns), pixels that determine the alignment, which is applied to all pixels.
        amplitude_scale: whether the modulus is scaled as well.
        ramp: whether a linear phase ramp is removed as well; it may be a fraction of a turn across the field.
        shift: whether the object is shifted as well, by a fraction of a pixel or more; small compared with the field.

    Returns:
        Complex (rows, columns), of the dtype of the object.

    Raises:
        ValueError: If the shapes differ, the mask is empty, or the overlap of object and truth is 0.
    """
    if obj.shape != truth.shape or obj.ndim != 2:
        raise ValueError(f"obj is {tuple(obj.shape)}, truth {tuple(truth.shape)}; pass two fields of the same shape")
    if mask is not None and not mask.any():
        raise ValueError(f"the mask of {tuple(mask.shape)} px has no True pixel; at least one must be scored")
    solved, true = obj.to(torch.complex128), truth.to(torch.complex128)
    if ramp:
        solved = remove_ramp(solved, true, mask)
    if shift:
        solved = remove_shift(solved, true, mask, ramp=ramp)
    product = masked(solved * true.conj(), mask)
    overlap = product.sum().conj()
    if overlap == 0:
        raise ValueError("obj and truth have overlap 0 on the scored pixels, but it must not be 0; is one of them 0?")
    power = solved.abs().square()
    power = power.sum() if mask is None else power[mask].sum()
    return (solved * (overlap / power if amplitude_scale else overlap.sgn())).to(obj.dtype)


def masked(product: Tensor, mask: Tensor | None) -> Tensor:
    """Return the product with pixels outside the mask set to 0."""
    return product if mask is None else product.where(mask, 0)


def remove_ramp(solved: Tensor, true: Tensor, mask: Tensor | None) -> Tensor:
    """Remove the linear phase ramp of a field relative to the true one."""
    return solved * plane_wave(phase_ramp(masked(solved * true.conj(), mask)), solved.shape).conj()


def remove_shift(solved: Tensor, true: Tensor, mask: Tensor | None, *, ramp: bool) -> Tensor:
    """Shift a field onto the true one, and remove its phase ramp there.

    The maximum of the cross-correlation (Guizar-Sicairos et al., doi:10.1364/OL.33.000156) of windowed fields
    underestimates the shift, because part of it looks like a ramp or is hidden by the window. Therefore the search is
    repeated.
    """
    from scipy.ndimage import shift
    from skimage.registration import phase_cross_correlation

    field, total_px, shifted = solved.numpy(force=True), np.zeros(2), solved
    for _ in range(MAX_STEPS):
        images = [
            apply_window(one if mask is None else one.where(mask, one[mask].mean()), 0.5).numpy(force=True)
            for one in (true, shifted)
        ]
        step, _, _ = phase_cross_correlation(*images, upsample_factor=SHIFTS_PER_PX, normalization=None)
        total_px += step
        shifted = torch.from_numpy(shift(field, total_px, order=SPLINE_ORDER, mode="nearest")).to(solved.device)
        shifted = remove_ramp(shifted, true, mask) if ramp else shifted
        if np.abs(step).max() < 2 / SHIFTS_PER_PX:
            break
    return shifted


def plane_wave(slope: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return exp(i slope . r), complex128 (rows, columns), 1 in the middle; slope is real (2,), (y, x) in rad / px."""
    y, x = centred_grid(shape, slope.device)
    angle = slope[0] * y[:, None] + slope[1] * x
    return torch.polar(torch.ones_like(angle), angle)


def centred_grid(shape: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the pixel coordinates of both axes relative to the middle of the field, px, float64."""
    return tuple(torch.arange(side, dtype=torch.float64, device=device) - (side - 1) / 2 for side in shape)


def phase_ramp(product: Tensor) -> Tensor:
    """Return the slope of the plane wave with the largest overlap with obj * conj(truth), (2,), (y, x) in rad / px.

    The peak of an FFT padded to twice the size gives the slope to a quarter of a turn across the field, even if the
    phase wraps many times. Newton's method then maximises the overlap, which is the least-squares fit of the ramp.

    Args:
        product: complex128 (rows, columns), obj * conj(truth), 0 outside the mask.
    """
    padded = [2 * side for side in product.shape]
    peak = torch.fft.fft2(product.to(torch.complex64), s=padded).abs().argmax()
    index = torch.stack(torch.unravel_index(peak, padded)).double()
    sides = torch.tensor(padded, dtype=torch.float64, device=product.device)
    slope = 2 * torch.pi * (index - sides * (2 * index >= sides)) / sides
    y, x = centred_grid(product.shape, product.device)
    basis = torch.stack((torch.ones_like(product.real), y[:, None].expand(product.shape), x.expand(product.shape)))
    flat, edge = basis.flatten(1), sides / 4
    for _ in range(MAX_STEPS):
        residual = product * plane_wave(slope, product.shape).conj()
        residual = (residual * residual.sum().sgn().conj()).flatten()
        step = torch.linalg.lstsq((flat * residual.real) @ flat.T, flat @ residual.imag).solution[1:]
        step = step.clamp(-torch.pi / sides, torch.pi / sides)  # at most half a step of the FFT grid
        slope = slope + step
        if (step * edge).abs().max() < RAMP_TOLERANCE_RAD:
            break
    return slope
