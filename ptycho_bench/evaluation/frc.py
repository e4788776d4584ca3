"""Fourier ring correlation: to which resolution two images of one field agree."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_bench.evaluation.windows import windowed

HALF_BIT_SNR = (math.sqrt(2) - 1) / 2  # of each image, where both together carry half a bit per Fourier pixel
NYQUIST = 0.5  # cycles / px


class Crossing(NamedTuple):
    """Where a correlation first falls below a threshold.

    frequency: cycles / px; the Nyquist limit 0.5 where it never does.
    crossed: whether it does.
    resolution_px: the period 1 / frequency, px; 2 at the Nyquist limit.
    resolution_m: likewise, m; None where the pixel size is not known.
    """

    frequency: float
    crossed: bool
    resolution_px: float
    resolution_m: float | None


class RingCorrelation(NamedTuple):
    """Correlation of two images, ring by ring of their Fourier transforms.

    frequency: (rings,), cycles / px, of each ring's middle; the zero frequency has no ring.
    correlation: (rings,), [-1, 1]; 0 where an image has no power.
    pixels: (rings,), independent Fourier pixels in each ring.
    half_bit: (rings,), threshold of half a bit per Fourier pixel.
    half_bit_crossing: where the correlation falls below it.
    one_seventh_crossing: where it falls below 1/7.
    """

    frequency: Tensor
    correlation: Tensor
    pixels: Tensor
    half_bit: Tensor
    half_bit_crossing: Crossing
    one_seventh_crossing: Crossing


def fourier_ring_correlation(
    first: Tensor, second: Tensor, *, edge: float = 0.125, pixel_size_m: float | None = None
) -> RingCorrelation:
    """Re sum F1 conj(F2) / sqrt(sum |F1|^2 sum |F2|^2) on rings of spatial frequency.

    Each image loses its mean, so that no strength at zero frequency leaks into the first rings, and fades to its edges
    under a Tukey window: flat inside, a Hann slope over `edge` of the side at each end. Rings are as wide as the lowest
    frequency of the shorter side and end at the Nyquist limit.

    Args:
        first: real or complex (rows, columns); a complex object is to be aligned first, see `align_object`.
        second: another image of the same field, of the same shape.
        edge: share of each side, [0, 0.5], that the slope takes at each end; 0: no window, 0.5: a Hann window.
        pixel_size_m: side of a pixel; or None.

    Raises:
        ValueError: two shapes, a side under 8 px, values that are not finite, or an impossible edge.
    """
    check_images(first, second, edge)
    spectra = [torch.fft.fft2(windowed(image, edge)) for image in (first, second)]
    ring, frequency = rings_of(first.shape, first.device)
    powers = [ring_sums(spectrum.abs().square(), ring, len(frequency)) for spectrum in spectra]
    common = ring_sums((spectra[0] * spectra[1].conj()).real, ring, len(frequency))
    power = (powers[0] * powers[1]).sqrt()
    correlation = torch.where(power > 0, common / power.where(power > 0, 1.0), 0.0)
    pixels = ring_sums(torch.ones_like(spectra[0].real), ring, len(frequency))
    if not (first.is_complex() or second.is_complex()):
        pixels = pixels / 2  # the other half is their conjugate
    half_bit = half_bit_threshold(pixels)
    one_seventh = torch.full_like(correlation, 1 / 7)
    crossings = [first_crossing(frequency, correlation, curve, pixel_size_m) for curve in (half_bit, one_seventh)]
    return RingCorrelation(frequency, correlation, pixels, half_bit, *crossings)


def check_images(first: Tensor, second: Tensor, edge: float) -> None:
    """Raise ValueError for images that cannot be correlated, or an impossible edge."""
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"images are {tuple(first.shape)} and {tuple(second.shape)}; give two fields of one shape")
    if min(first.shape) < 8:
        raise ValueError(f"images must be at least 8 px on each side, got {tuple(first.shape)}; take a larger field")
    if not (first.isfinite().all() and second.isfinite().all()):
        raise ValueError("images hold NaN or infinite values; every pixel must be finite: crop to where both are known")
    if not 0 <= edge <= 0.5:
        raise ValueError(f"edge must lie in [0, 0.5], got {edge}; 12.5 % of each side is written 0.125")


def rings_of(shape: tuple[int, int], device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Ring of each Fourier pixel, int64 (rows, columns), and each ring's frequency, float64 (rings,), cycles / px.

    Pixels beyond the Nyquist limit and the zero frequency have the number of rings: none.
    """
    shorter = min(shape)
    y, x = (torch.fft.fftfreq(side, dtype=torch.float64, device=device) for side in shape)
    number = (torch.hypot(y[:, None], x) * shorter).round().long() - 1
    count = shorter // 2
    frequency = torch.arange(1, count + 1, dtype=torch.float64, device=device) / shorter
    return number.where((number >= 0) & (number < count), count), frequency


def ring_sums(values: Tensor, ring: Tensor, count: int) -> Tensor:
    """Sum of real (rows, columns) values over each ring, (count,)."""
    return values.new_zeros(count + 1).index_add_(0, ring.flatten(), values.flatten())[:count]


def half_bit_threshold(pixels: Tensor) -> Tensor:
    """Correlation at half a bit per Fourier pixel (van Heel and Schatz, doi:10.1016/j.jsb.2005.05.009), (rings,).

    >>> half_bit_threshold(torch.tensor([10.0, 1e12]))
    tensor([0.5426, 0.1716])

    Args:
        pixels: independent Fourier pixels in each ring.
    """
    spread = 1 / pixels.sqrt()
    common = HALF_BIT_SNR + 2 * math.sqrt(HALF_BIT_SNR) * spread
    return (common + spread) / (common + 1)


def first_crossing(frequency: Tensor, correlation: Tensor, threshold: Tensor, pixel_size_m: float | None) -> Crossing:
    """Where the correlation first falls below a threshold, between two rings by a straight line."""
    above = correlation - threshold
    below = (above < 0).nonzero().flatten().tolist()
    place = NYQUIST
    if below:
        end = below[0]
        place = frequency[end].item()
        if end > 0:
            share = (above[end - 1] / (above[end - 1] - above[end])).item()
            start = frequency[end - 1].item()
            place = start + share * (place - start)
    return Crossing(place, bool(below), 1 / place, None if pixel_size_m is None else pixel_size_m / place)
