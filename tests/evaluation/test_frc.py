"""Fourier ring correlation: thresholds, rings, and the frequencies at which two images cease to agree."""

import math

import numpy as np
import pytest
import torch
from torch import Generator

from ptycho_bench.evaluation.frc import fourier_ring_correlation, fourier_rings, half_bit_threshold
from ptycho_bench.evaluation.windows import tukey_window

SHAPES = [(96, 96), (96, 160), (131, 75)]


def noise(*shape, seed=0, dtype=torch.complex64):
    return torch.randn(shape, generator=Generator().manual_seed(seed), dtype=dtype)


def band_limited(image, frequency):
    """Remove the part of an image above a frequency, cycles / px."""
    y, x = (torch.fft.fftfreq(side) for side in image.shape)
    limited = torch.fft.ifft2(torch.fft.fft2(image) * (torch.hypot(y[:, None], x) <= frequency))
    return limited if image.is_complex() else limited.real


def pair(*shape, frequency, dtype=torch.complex64):
    """Return two images with a common band-limited part, strongest at low frequencies, and independent noise."""
    source = noise(*shape, seed=1, dtype=dtype)
    common = band_limited(source, frequency) + 4 * band_limited(source, 0.06)
    return [common + 0.5 * noise(*shape, seed=seed, dtype=dtype) for seed in (2, 3)]


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_equal_images_agree_to_the_nyquist_limit(shape, dtype):
    image = noise(*shape, dtype=dtype)
    found = fourier_ring_correlation(image, image, pixel_size_m=10e-9)
    torch.testing.assert_close(found.correlation, torch.ones_like(found.correlation))
    for crossing in (found.half_bit_crossing, found.one_seventh_crossing):
        assert crossing == (0.5, False, 2.0, pytest.approx(20e-9))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.float32])
def test_the_correlation_of_independent_noise_falls_below_the_threshold_at_once(shape, dtype):
    mean = 5.0  # equal in both images, but unrelated to the resolution
    for seed in range(5):
        images = (mean + noise(*shape, seed=10 * seed + k, dtype=dtype) for k in range(2))
        crossing = fourier_ring_correlation(*images).half_bit_crossing
        assert crossing.crossed
        assert crossing.frequency <= 3 / min(shape)
        assert crossing.resolution_m is None


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float32])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limit", [0.2, 0.3, 0.4])
def test_a_band_limit_is_found_to_within_a_ring(limit, shape, dtype):
    images = pair(*shape, frequency=limit, dtype=dtype)  # periodic, so no window is needed, which would blur the limit
    found = fourier_ring_correlation(*images, edge=0, pixel_size_m=2e-9)
    ring = 1 / min(shape)
    for crossing in (found.half_bit_crossing, found.one_seventh_crossing):
        assert crossing.crossed
        assert crossing.frequency == pytest.approx(limit, abs=ring)
        assert crossing.resolution_px == pytest.approx(1 / crossing.frequency)
        assert crossing.resolution_m == pytest.approx(2e-9 / crossing.frequency)


def test_a_crossing_lies_between_the_ring_above_and_the_ring_below():
    found = fourier_ring_correlation(*pair(96, 96, frequency=0.25))
    above = found.correlation >= found.half_bit
    end = int((~above).nonzero()[0])
    assert found.frequency[end - 1] <= found.half_bit_crossing.frequency <= found.frequency[end]
    line = np.interp(found.half_bit_crossing.frequency, found.frequency, found.correlation - found.half_bit)
    assert line == pytest.approx(0, abs=1e-9)


def test_a_shift_lowers_the_resolution():
    image = band_limited(noise(96, 96), 0.4)
    frequencies = [
        fourier_ring_correlation(image, image.roll(shift, 0)).one_seventh_crossing.frequency for shift in (0, 1, 3, 10)
    ]
    assert sorted(frequencies, reverse=True) == frequencies
    assert frequencies[0] > 2 * frequencies[2] > 4 * frequencies[3]


def test_a_positive_factor_does_not_change_the_correlation():
    first, second = pair(96, 96, frequency=0.3)
    original, scaled = fourier_ring_correlation(first, second), fourier_ring_correlation(3 * first, 0.1 * second)
    torch.testing.assert_close(original.correlation, scaled.correlation)
    negative = fourier_ring_correlation(first, -second)
    torch.testing.assert_close(negative.correlation, -original.correlation)


@pytest.mark.parametrize("shape", SHAPES)
def test_rings_contain_each_fourier_pixel_up_to_nyquist_once(shape):
    ring, frequency = fourier_rings(shape)
    y, x = np.meshgrid(*(np.fft.fftfreq(side) for side in shape), indexing="ij")
    radius = np.hypot(y, x)
    assert len(frequency) == min(shape) // 2
    for number in (0, 1, 7, len(frequency) - 1):
        expected = np.abs(radius - frequency[number].item()) < 0.5 / min(shape)
        np.testing.assert_array_equal(ring == number, expected)
    beyond = radius > (len(frequency) + 0.5) / min(shape)
    np.testing.assert_array_equal(ring == len(frequency), beyond | (radius == 0))


def test_real_images_have_half_as_many_independent_pixels():
    real, imaginary = noise(2, 64, 64, dtype=torch.float32)
    counts = [fourier_ring_correlation(a, a).pixels for a in (real, torch.complex(real, imaginary))]
    torch.testing.assert_close(2 * counts[0], counts[1])
    assert counts[1][0] == 8
    assert counts[1][9] == pytest.approx(2 * math.pi * 10, rel=0.15)


@pytest.mark.parametrize(
    ("pixels", "threshold"), [(1, 1.0), (4, 0.699194), (25, 0.424104), (100, 0.306690), (2500, 0.200198)]
)
def test_the_half_bit_threshold_is_that_of_van_heel_and_schatz(pixels, threshold):
    """Compare with (0.2071 + 1.9102 / sqrt(n)) / (1.2071 + 0.9102 / sqrt(n)), as printed."""
    assert half_bit_threshold(torch.tensor(float(pixels))).item() == pytest.approx(threshold, abs=1e-4)


def test_the_window_is_flat_inside_and_falls_to_the_edges():
    window = tukey_window(80, 0.125)
    torch.testing.assert_close(window, window.flip(0))
    assert (window[10:70] == 1).all()
    assert (window[:10].diff() > 0).all()
    assert 0 < window[0] < 0.01
    assert (tukey_window(7, 0.0) == 1).all()
    torch.testing.assert_close(tukey_window(80, 0.5).sum().item(), 40.0)


def test_the_window_prevents_a_correlation_of_the_borders():
    """Two tilted fields have the same step from one border to the opposite one, but no detail in common."""
    tilt = torch.linspace(0, 20, 96).expand(96, 96)
    first, second = (tilt + noise(96, 96, seed=seed, dtype=torch.float32) for seed in (1, 2))
    without_window, with_window = (
        fourier_ring_correlation(first, second, edge=edge).one_seventh_crossing for edge in (0.0, 0.5)
    )
    assert with_window.frequency < 0.5 * without_window.frequency


@pytest.mark.parametrize(
    ("first", "second", "edge", "message"),
    [
        (torch.ones(9, 9), torch.ones(9, 8), 0.1, r"\(9, 9\) and \(9, 8\); pass two of the same shape"),
        (torch.ones(9, 7), torch.ones(9, 7), 0.1, r"at least 8 px on each side, got \(9, 7\)"),
        (torch.full((9, 9), torch.nan), torch.ones(9, 9), 0.1, "NaN or infinite values"),
        (torch.ones(9, 9), torch.ones(9, 9), 0.6, r"edge must lie in \[0, 0\.5\], got 0\.6"),
    ],
)
def test_images_that_cannot_be_correlated_are_rejected(first, second, edge, message):
    with pytest.raises(ValueError, match=message):
        fourier_ring_correlation(first, second, edge=edge)
