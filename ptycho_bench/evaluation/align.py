"""What far-field ptychography leaves open is taken out of a solved object before it is compared with the truth."""

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.evaluation.windows import windowed

STEPS = 20  # at most, of a search; Newton needs four to six, a shift of some pixels about ten
SETTLED = 1e-9  # of the ramp's phase at the field's edge, radians
SHIFT_STEPS = 100  # of a pixel, to which a shift is found
SPLINE = 5  # order of the interpolation by which a field is moved


def align_object(
    obj: Tensor, truth: Tensor, *, mask: Tensor | None = None, amplitude_scale: bool, ramp: bool, shift: bool
) -> Tensor:
    """The object times the constant, and the linear phase ramp, that bring it closest to the truth by least squares.

    One global phase is always open. Where the probe was refined too, so are the amplitude scale, which the probe can
    take, a linear phase ramp, which the probe takes with the opposite sign, and a shift, by which the probe moves too.

    Args:
        obj: complex (rows, columns), solved.
        truth: complex, of the same shape.
        mask: bool (rows, columns), True pixels decide; all are changed.
        amplitude_scale: whether the modulus is scaled too.
        ramp: whether a linear phase ramp is removed too; it may be a fraction of a turn across the field.
        shift: whether the object is moved too, by fractions of a pixel; to be small against the field.

    Returns:
        Complex (rows, columns), of the object's type.

    Raises:
        ValueError: two shapes, an empty mask, or object and truth that have nothing in common to align.
    """
    if obj.shape != truth.shape or obj.ndim != 2:
        raise ValueError(f"obj is {tuple(obj.shape)}, truth {tuple(truth.shape)}; give two fields of one shape")
    if mask is not None and not mask.any():
        raise ValueError(f"the mask of {tuple(mask.shape)} px has no True pixel; at least one must be scored")
    solved, true = obj.to(torch.complex128), truth.to(torch.complex128)
    if ramp:
        solved = without_ramp(solved, true, mask)
    if shift:
        solved = without_shift(solved, true, mask, ramp=ramp)
    product = scored(solved * true.conj(), mask)
    overlap = product.sum().conj()
    if overlap == 0:
        raise ValueError("obj and truth have overlap 0 on the scored pixels; it must be another number to align them")
    power = solved.abs().square()
    power = power.sum() if mask is None else power[mask].sum()
    return (solved * (overlap / power if amplitude_scale else overlap.sgn())).to(obj.dtype)


def scored(product: Tensor, mask: Tensor | None) -> Tensor:
    """The product, 0 where the mask is False."""
    return product if mask is None else product.where(mask, 0)


def without_ramp(solved: Tensor, true: Tensor, mask: Tensor | None) -> Tensor:
    """A field less its linear phase ramp against another."""
    return solved * plane_wave(phase_ramp(scored(solved * true.conj(), mask)), solved.shape).conj()


def without_shift(solved: Tensor, true: Tensor, mask: Tensor | None, *, ramp: bool) -> Tensor:
    """A field moved to where it lies on another, and less its ramp there.

    The place of the largest cross-correlation (Guizar-Sicairos et al., doi:10.1364/OL.33.000156) of fields that fade to
    their edges is short of the shift, by the part of it that looks like a ramp or was faded out, so it is sought again.
    """
    from scipy.ndimage import shift
    from skimage.registration import phase_cross_correlation

    field, places, moved = solved.numpy(force=True), np.zeros(2), solved
    for _ in range(STEPS):
        images = [
            windowed(one if mask is None else one.where(mask, one[mask].mean()), 0.5).numpy(force=True)
            for one in (true, moved)
        ]
        step, _, _ = phase_cross_correlation(*images, upsample_factor=SHIFT_STEPS, normalization=None)
        places += step
        moved = torch.from_numpy(shift(field, places, order=SPLINE, mode="nearest")).to(solved.device)
        moved = without_ramp(moved, true, mask) if ramp else moved
        if np.abs(step).max() < 2 / SHIFT_STEPS:
            break
    return moved


def plane_wave(slope: Tensor, shape: tuple[int, ...]) -> Tensor:
    """exp(i slope . r), complex128 (rows, columns), 1 at the field's middle; slope real (2,) as (y, x), rad / px."""
    y, x = centred_grid(shape, slope.device)
    angle = slope[0] * y[:, None] + slope[1] * x
    return torch.polar(torch.ones_like(angle), angle)


def centred_grid(shape: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pixel coordinates of both axes, px from the field's middle, float64."""
    return tuple(torch.arange(side, dtype=torch.float64, device=device) - (side - 1) / 2 for side in shape)


def phase_ramp(product: Tensor) -> Tensor:
    """Slope of the plane wave with the largest overlap with obj * conj(truth), (2,) as (y, x), rad / px.

    The FFT's peak on a grid twice as fine as the field's own frequencies gives a slope right to a quarter of a turn
    across the field, also where the phase wraps many times; Newton's method on the overlap goes on from there, which is
    the least-squares fit of the ramp.

    Args:
        product: complex128 (rows, columns), 0 where nothing is scored.
    """
    padded = [2 * side for side in product.shape]
    peak = torch.fft.fft2(product.to(torch.complex64), s=padded).abs().argmax()
    place = torch.stack(torch.unravel_index(peak, padded)).double()
    sides = torch.tensor(padded, dtype=torch.float64, device=product.device)
    slope = 2 * torch.pi * (place - sides * (2 * place >= sides)) / sides
    y, x = centred_grid(product.shape, product.device)
    basis = torch.stack((torch.ones_like(product.real), y[:, None].expand(product.shape), x.expand(product.shape)))
    flat, edge = basis.flatten(1), sides / 4
    for _ in range(STEPS):
        turned = product * plane_wave(slope, product.shape).conj()
        turned = (turned * turned.sum().sgn().conj()).flatten()
        step = torch.linalg.lstsq((flat * turned.real) @ flat.T, flat @ turned.imag).solution[1:]
        step = step.clamp(-torch.pi / sides, torch.pi / sides)  # no further than the FFT's grid leaves open
        slope = slope + step
        if (step * edge).abs().max() < SETTLED:
            break
    return slope
