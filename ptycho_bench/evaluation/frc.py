"""Fourier ring correlation: the resolution up to which two images of the same field agree."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_bench.evaluation.windows import apply_window

HALF_BIT_SNR = (math.sqrt(2) - 1) / 2  # SNR of each image at which both together carry half a bit per Fourier pixel
NYQUIST = 0.5  # cycles / px


class Crossing(NamedTuple):
    """Point where a correlation first falls below a threshold.

    frequency: spatial frequency, cycles / px; the Nyquist limit 0.5 if the correlation never falls below.
    crossed: whether the correlation falls below the threshold.
    resolution_px: period 1 / frequency, px; 2 at the Nyquist limit.
    resolution_m: period in metres; None if the pixel size is unknown.
    """

    frequency: float
    crossed: bool
    resolution_px: float
    resolution_m: float | None


class RingCorrelation(NamedTuple):
    """Correlation of two images on rings of their Fourier transforms.

    frequency: (rings,), middle of each ring, cycles / px; zero frequency belongs to no ring.
    correlation: (rings,), in [-1, 1]; 0 if an image has no power in the ring.
    pixels: (rings,), number of independent Fourier pixels in each ring.
    half_bit: (rings,), threshold for half a bit per Fourier pixel.
    half_bit_crossing: point where the correlation falls below that threshold.
    one_seventh_crossing: point where the correlation falls below 1/7.
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
    """Compute Re sum F1 conj(F2) / sqrt(sum |F1|^2 sum |F2|^2) on rings of spatial frequency.

    The mean of each image is subtracted, so that the zero frequency does not leak into the first rings, and the image
    is multiplied by a Tukey window: flat inside, with a Hann slope over `edge` of the side at each end. The width of a
    ring is the lowest frequency of the shorter side; the rings end at the Nyquist limit.

    Args:
        first: real or complex (rows, columns); align complex objects first, see `align_object`.
        second: another image of the same field, of the same shape.
        edge: fraction of each side that the slope covers at each end, in [0, 0.5]; 0 is no window, 0.5 a Hann window.
        pixel_size_m: side of a pixel, m; None if unknown.

    Raises:
        ValueError: If the shapes differ, a side is below 8 px, a value is not finite, or edge lies outside [0, 0.5].
    """
    check_images(first, second, edge)
    spectra = [torch.fft.fft2(apply_window(image, edge)) for image in (first, second)]
    ring, frequency = fourier_rings(first.shape, first.device)
    powers = [ring_sums(spectrum.abs().square(), ring, len(frequency)) for spectrum in spectra]
    common = ring_sums((spectra[0] * spectra[1].conj()).real, ring, len(frequency))
    power = (powers[0] * powers[1]).sqrt()
    correlation = torch.where(power > 0, common / power.where(power > 0, 1.0), 0.0)
    pixels = ring_sums(torch.ones_like(spectra[0].real), ring, len(frequency))
    if not (first.is_complex() or second.is_complex()):
        pixels = pixels / 2  # the other half is their complex conjugate
    half_bit = half_bit_threshold(pixels)
    one_seventh = torch.full_like(correlation, 1 / 7)
    crossings = [first_crossing(frequency, correlation, curve, pixel_size_m) for curve in (half_bit, one_seventh)]
    return RingCorrelation(frequency, correlation, pixels, half_bit, *crossings)


def check_images(first: Tensor, second: Tensor, edge: float) -> None:
    """Check two images and the edge of the window.

    Raises:
        ValueError: If the shapes differ, a side is below 8 px, a value is not finite, or edge lies outside [0, 0.5].
    """
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"images are {tuple(first.shape)} and {tuple(second.shape)}; pass two of the same shape")
    if min(first.shape) < 8:
        raise ValueError(f"images must be at least 8 px on each side, got {tuple(first.shape)}; use a larger field")
    if not (first.isfinite().all() and second.isfinite().all()):
        raise ValueError("images contain NaN or infinite values; crop them to where every pixel of both is finite")
    if not 0 <= edge <= 0.5:
        raise ValueError(f"edge must lie in [0, 0.5], got {edge}; 12.5 % of each side is written 0.125")


def fourier_rings(shape: tuple[int, int], device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return the ring of each Fourier pixel, int64 (rows, columns), and the ring frequencies, float64 (rings,).

    Frequencies are in cycles / px. Zero frequency and pixels beyond the Nyquist limit belong to no ring; their entry
    is the number of rings.
    """
    shorter = min(shape)
    y, x = (torch.fft.fftfreq(side, dtype=torch.float64, device=device) for side in shape)
    number = (torch.hypot(y[:, None], x) * shorter).round().long() - 1
    count = shorter // 2
    frequency = torch.arange(1, count + 1, dtype=torch.float64, device=device) / shorter
    return number.where((number >= 0) & (number < count), count), frequency


def ring_sums(values: Tensor, ring: Tensor, count: int) -> Tensor:
    """Return the sums of real values (rows, columns) over each ring, (count,)."""
    return values.new_zeros(count + 1).index_add_(0, ring.flatten(), values.flatten())[:count]


def half_bit_threshold(pixels: Tensor) -> Tensor:
    """Compute the half-bit threshold (van Heel and Schatz, doi:10.1016/j.jsb.2005.05.009), (rings,).

    >>> half_bit_threshold(torch.tensor([10.0, 1e12]))
    tensor([0.5426, 0.1716])

    Args:
        pixels: number of independent Fourier pixels in each ring, (rings,).
    """
    spread = 1 / pixels.sqrt()
    common = HALF_BIT_SNR + 2 * math.sqrt(HALF_BIT_SNR) * spread
    return (common + spread) / (common + 1)


def first_crossing(frequency: Tensor, correlation: Tensor, threshold: Tensor, pixel_size_m: float | None) -> Crossing:
    """Find where the correlation first falls below a threshold, by linear interpolation between two rings."""
    above = correlation - threshold
    below = (above < 0).nonzero().flatten().tolist()
    crossing = NYQUIST
    if below:
        end = below[0]
        crossing = frequency[end].item()
        if end > 0:
            fraction = (above[end - 1] / (above[end - 1] - above[end])).item()
            start = frequency[end - 1].item()
            crossing = start + fraction * (crossing - start)
    return Crossing(crossing, bool(below), 1 / crossing, None if pixel_size_m is None else pixel_size_m / crossing)
