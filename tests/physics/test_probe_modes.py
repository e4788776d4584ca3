"""Test the initial and orthogonal probe modes, the centring ramp and shifts by fractions of a pixel."""

import pytest
import torch
from torch import Generator, Tensor

from ptycho_bench.physics.forward import diffraction_intensity, far_field, object_plane
from ptycho_bench.physics.probe_modes import centring_ramp, initial_modes, orthogonal_modes, shift_phase


def complex_noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=Generator().manual_seed(seed))


def inner_products(modes: Tensor) -> Tensor:
    return modes.flatten(1) @ modes.flatten(1).mH


@pytest.mark.parametrize("count", [2, 3, 6])
def test_initial_modes_are_weak_orthogonal_copies_that_keep_the_power(tiny_probe, count):
    modes = initial_modes(tiny_probe, count)
    shares = [1 - 0.02 * (count - 1)] + [0.02] * (count - 1)
    torch.testing.assert_close(inner_products(modes), torch.diag(torch.tensor(shares) + 0j), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(modes[0], tiny_probe * shares[0] ** 0.5)
    assert torch.equal(modes, initial_modes(tiny_probe[None], count))


def test_many_added_modes_leave_half_of_the_power_to_the_probe(tiny_probe):
    assert initial_modes(tiny_probe, 40)[0].abs().square().sum() == pytest.approx(0.5)


def test_given_modes_are_returned_unchanged(tiny_probe):
    given = complex_noise(3, 8, 8)
    assert initial_modes(given, 3) is given
    assert torch.equal(initial_modes(tiny_probe, 1), tiny_probe[None])


@pytest.mark.parametrize(
    ("count", "message"), [(0, "modes must be at least 1, got 0"), (3, "the probe has 2 modes, but modes is 3")]
)
def test_another_number_of_modes_is_refused(count, message):
    with pytest.raises(ValueError, match=message):
        initial_modes(complex_noise(2, 8, 8), count)


def test_orthogonal_modes_describe_the_same_beam_strongest_first():
    modes, obj_patch = complex_noise(3, 9, 8), complex_noise(4, 9, 8, seed=1)
    found = orthogonal_modes(modes)
    torch.testing.assert_close(diffraction_intensity(found, obj_patch), diffraction_intensity(modes, obj_patch))
    power = inner_products(found)
    torch.testing.assert_close(power, torch.diag(power.diagonal()), atol=1e-3, rtol=0)
    assert (power.diagonal().real.diff() < 0).all()


def test_modes_that_are_already_orthogonal_keep_their_phase(tiny_probe):
    modes = initial_modes(tiny_probe * 1j, 3) * torch.tensor([1, 0.8, 0.6])[:, None, None]
    torch.testing.assert_close(orthogonal_modes(modes), modes, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(8, 8), (7, 8), (9, 5)])
def test_the_ramp_centres_a_plain_fft_up_to_a_phase(shape):
    wave = complex_noise(*shape)
    spectrum = torch.fft.fft2(wave * centring_ramp(*shape), norm="ortho")
    torch.testing.assert_close(spectrum.abs(), far_field(wave).abs())


@pytest.mark.parametrize("shape", [(8, 8), (7, 9)])
def test_a_shift_by_whole_pixels_is_a_roll_and_two_fractions_add_up(shape):
    wave = complex_noise(*shape)
    phases = shift_phase(torch.tensor([[2.0, -1.0], [0.7, -0.4], [1.3, -0.6]]), *shape)
    whole, first, second = phases[:, 0]
    spectrum = far_field(wave)
    torch.testing.assert_close(object_plane(spectrum * whole), wave.roll((2, -1), dims=(0, 1)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(spectrum * first * second, spectrum * whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(phases.abs(), torch.ones(3, 1, *shape))
