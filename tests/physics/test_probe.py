"""Test the probes: number of photons, shape and pupil."""

import pytest
import torch

from ptycho_bench.physics.forward import far_field
from ptycho_bench.physics.probe import block_mean, defocused_aperture, scale_to_photons

APERTURE = {"size_px": 32, "aperture_radius": 0.5, "stop_radius": 0.3, "defocus_waves": 1.5}


def second_moment(probe):
    weight, coordinate = probe.abs().square(), torch.arange(probe.shape[-1]) - probe.shape[-1] // 2
    return (weight * (coordinate[:, None] ** 2 + coordinate[None, :] ** 2)).sum() / weight.sum()


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8)])
def test_scaling_sets_the_total_number_of_photons_of_all_modes(shape):
    probe = torch.randn(shape, dtype=torch.complex64)
    scaled = scale_to_photons(probe, 63722.0)
    torch.testing.assert_close(scaled.abs().square().sum(), torch.tensor(63722.0))
    torch.testing.assert_close(scaled.angle(), probe.angle())


def test_zero_photons_and_a_dark_probe_are_refused():
    with pytest.raises(ValueError, match="photons must be above 0, got 0"):
        scale_to_photons(torch.ones(4, 4, dtype=torch.complex64), 0)
    with pytest.raises(ValueError, match="zero everywhere"):
        scale_to_photons(torch.zeros(4, 4, dtype=torch.complex64), 1.0)


@pytest.mark.parametrize("size_px", [32, 33])
def test_the_pupil_is_the_annulus_between_stop_and_aperture(size_px):
    probe = defocused_aperture(**APERTURE | {"size_px": size_px})
    frequency = torch.fft.fftshift(torch.fft.fftfreq(size_px)) * 2
    radius = torch.hypot(frequency[:, None], frequency[None, :])
    bright = far_field(probe).abs() > 1e-4
    assert torch.equal(bright, (radius <= 0.5) & (radius >= 0.5 * 0.3))
    assert probe.dtype == torch.complex64
    torch.testing.assert_close(probe.abs().square().sum(), torch.tensor(1.0))


def test_defocus_gives_the_pupil_a_quadratic_phase_with_its_waves_at_the_edge():
    pupil = far_field(defocused_aperture(**APERTURE | {"size_px": 64, "stop_radius": 0.0, "defocus_waves": 0.4}))
    squared_radius = torch.arange(17) ** 2 / 16**2  # row 32, from the centre to the edge at half the Nyquist frequency
    torch.testing.assert_close(pupil[32, 32:49].angle(), 2 * torch.pi * 0.4 * squared_radius, atol=1e-4, rtol=0)


def test_defocus_spreads_the_probe_symmetrically_about_its_centre():
    focused, defocused = (defocused_aperture(**APERTURE | {"defocus_waves": waves}) for waves in (0.0, 1.5))
    assert second_moment(defocused) > 2 * second_moment(focused)
    assert divmod(focused.abs().argmax().item(), 32) == (16, 16)
    torch.testing.assert_close(defocused[1:, 1:], defocused[1:, 1:].flip(0, 1), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aperture_radius": 0.0}, r"aperture_radius must lie in \(0, 1\], got 0"),
        ({"aperture_radius": 1.5}, r"aperture_radius must lie in \(0, 1\], got 1\.5"),
        ({"stop_radius": 1.0}, r"stop_radius must lie in \[0, 1\), got 1"),
        ({"aperture_radius": 0.01}, "contains no pixel of 32 x 32"),
    ],
)
def test_impossible_apertures_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        defocused_aperture(**APERTURE | changes)


def test_block_mean_averages_complex_blocks():
    probe = torch.randn(2, 4, 6, dtype=torch.complex64)
    mean = block_mean(probe, 2)
    assert mean.shape == (2, 2, 3)
    torch.testing.assert_close(mean[1, 1, 2], probe[1, 2:4, 4:6].mean())


@pytest.mark.parametrize("factor", [0, 3])
def test_a_block_that_does_not_divide_the_probe_is_refused(factor):
    with pytest.raises(ValueError, match=f"divide 4 x 6, got {factor}"):
        block_mean(torch.ones(4, 6, dtype=torch.complex64), factor)
