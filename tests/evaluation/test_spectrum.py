"""Spectra: the frequency of a wave, and the fractions of its energy in the bands."""

import numpy as np
import pytest

from ptycho_bench.evaluation.spectrum import (
    band_energies,
    diagonal_spectrum,
    image_bands,
    power_spectrum,
    radial_spectrum,
)


def wave(cycles_y, cycles_x, shape=(64, 64)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.cos(2 * np.pi * (cycles_y * y / shape[0] + cycles_x * x / shape[1]))


def test_the_power_sums_to_the_energy_and_zero_frequency_lies_in_the_middle():
    image = np.random.default_rng(0).normal(size=(12, 15))
    power = power_spectrum(image)
    assert power.sum() == pytest.approx(image.size * np.square(image).sum())
    assert power[6, 7] == pytest.approx(image.sum() ** 2)


@pytest.mark.parametrize("cycles", [3, 17])
def test_the_power_of_a_wave_peaks_at_its_frequency(cycles):
    frequency, power = radial_spectrum(wave(0, cycles))
    assert frequency[power.argmax()] == pytest.approx(cycles / 64)
    frequency, power = diagonal_spectrum(wave(cycles, cycles))
    assert frequency[power.argmax()] == pytest.approx(np.sqrt(2) * cycles / 64)
    assert diagonal_spectrum(wave(0, cycles))[1][1:].max() < 1e-18 * power.max()


def test_rings_of_white_noise_have_equal_mean_power():
    image = np.random.default_rng(1).normal(size=(256, 256))
    _, power = radial_spectrum(image)
    np.testing.assert_allclose(power[20:], 256**2, rtol=0.4)
    assert power[20:].mean() == pytest.approx(256**2, rel=0.02)


def test_rings_of_a_rectangular_field_end_at_the_nyquist_limit_of_its_shorter_side():
    frequency, power = radial_spectrum(wave(5, 0, (40, 100)))
    assert len(frequency) == 21 and frequency[-1] == 0.5
    assert frequency[power.argmax()] == pytest.approx(5 / 40)


@pytest.mark.parametrize(("cycles", "band"), [(4, 0), (15, 1), (28, 2)])
def test_the_energy_of_a_wave_lies_in_its_band(cycles, band):
    for kind, spectrum, image in (
        ("radial", radial_spectrum, wave(0, cycles)), ("diagonal", diagonal_spectrum, wave(cycles, cycles)),
    ):  # fmt: skip
        fractions = band_energies(*spectrum(image), kind)
        assert sum(fractions) == pytest.approx(1) and fractions[band] == pytest.approx(1)


def test_a_ring_is_weighted_by_its_size():
    frequency, power = np.array([0, 1, 2, 3]) / 6, np.array([5.0, 1, 1, 1])
    assert band_energies(frequency, power, "radial") == pytest.approx((0, 1 / 6, 5 / 6))
    assert band_energies(frequency, power, "diagonal") == pytest.approx((5 / 8, 1 / 8, 2 / 8))


def test_impossible_input_is_rejected():
    with pytest.raises(ValueError, match="at least 4 x 4 px"):
        power_spectrum(np.ones((2, 9)))
    with pytest.raises(ValueError, match="no power in its spectrum"):
        band_energies(*radial_spectrum(np.zeros((8, 8))), "radial")
    with pytest.raises(ValueError, match="kind must be"):
        band_energies(np.ones(3), np.ones(3), "square")


@pytest.mark.parametrize("kind", ["diagonal", "radial"])
def test_the_bands_of_an_image_do_not_depend_on_its_mean(kind):
    image = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    assert image_bands(image + 100, kind) == pytest.approx(image_bands(image, kind), abs=1e-4)
    assert max(image_bands(image, kind)) < 0.9


def test_a_flat_image_has_no_bands():
    assert all(np.isnan(image_bands(np.full((9, 9), 0.3, np.float32), "diagonal")))
