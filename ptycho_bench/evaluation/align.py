"""What far-field ptychography leaves open is taken out of a solved object before it is compared with the truth."""

import torch
from torch import Tensor

STEPS = 20  # Newton doubles the digits with each; from the FFT's peak it needs four to six
SETTLED = 1e-9  # of the ramp's phase at the field's edge, radians


def align_object(
    obj: Tensor, truth: Tensor, *, mask: Tensor | None = None, amplitude_scale: bool, ramp: bool
) -> Tensor:
    """The object times the constant, and the linear phase ramp, that bring it closest to the truth by least squares.

    One global phase is always open. Where the probe was refined too, so are the amplitude scale, which the probe can
    take, and a linear phase ramp, which the probe takes with the opposite sign.

    Args:
        obj: complex (rows, columns), solved.
        truth: complex, of the same shape.
        mask: bool (rows, columns), True pixels decide; all are changed.
        amplitude_scale: whether the modulus is scaled too.
        ramp: whether a linear phase ramp is removed too; it may be a fraction of a turn across the field.

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
    product = solved * true.conj()
    if mask is not None:
        product = product.where(mask, 0)
    if ramp:
        wave = plane_wave(phase_ramp(product), obj.shape)
        solved, product = solved * wave.conj(), product * wave.conj()
    overlap = product.sum().conj()
    if overlap == 0:
        raise ValueError("obj and truth have overlap 0 on the scored pixels; it must be another number to align them")
    power = solved.abs().square()
    power = power.sum() if mask is None else power[mask].sum()
    return (solved * (overlap / power if amplitude_scale else overlap.sgn())).to(obj.dtype)


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
