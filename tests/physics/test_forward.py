"""Test the far-field forward model: conservation, adjoint, centre and modes."""

import pytest
import torch
from torch import Generator, Tensor

from ptycho_bench.physics.forward import diffraction_intensity, exit_wave, far_field, object_plane


def complex_noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(32, 32), (31, 31), (12, 17)])
def test_the_far_field_conserves_photons(shape):
    probe, obj_patch = complex_noise(*shape), complex_noise(5, *shape, seed=1)
    intensity = diffraction_intensity(probe, obj_patch)
    torch.testing.assert_close(intensity.sum((-2, -1)), (probe * obj_patch).abs().square().sum((-2, -1)))


@pytest.mark.parametrize("shape", [(16, 16), (15, 15), (8, 13)])
def test_object_plane_inverts_far_field(shape):
    wave = complex_noise(3, *shape)
    torch.testing.assert_close(object_plane(far_field(wave)), wave)
    torch.testing.assert_close(far_field(object_plane(wave)), wave)


@pytest.mark.parametrize("shape", [(16, 16), (15, 15), (8, 13)])
def test_object_plane_is_the_adjoint_of_far_field(shape):
    x, y = complex_noise(*shape), complex_noise(*shape, seed=1)
    torch.testing.assert_close(
        torch.vdot(far_field(x).ravel(), y.ravel()), torch.vdot(x.ravel(), object_plane(y).ravel())
    )


def test_the_adjoint_of_illumination_multiplies_by_the_conjugate_probe():
    probe, x, y = (complex_noise(8, 8, seed=seed) for seed in range(3))
    forward = torch.vdot(exit_wave(probe, x).ravel(), y.ravel())
    torch.testing.assert_close(forward, torch.vdot(x.ravel(), exit_wave(probe.conj(), y).ravel()))


@pytest.mark.parametrize("shape", [(16, 16), (15, 15), (9, 12)])
def test_a_uniform_wave_is_focused_on_the_centre_pixel(shape):
    intensity = diffraction_intensity(
        torch.ones(shape, dtype=torch.complex64), torch.ones(shape, dtype=torch.complex64)
    )
    expected = torch.zeros(shape)
    expected[shape[0] // 2, shape[1] // 2] = shape[0] * shape[1]
    torch.testing.assert_close(intensity, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("shape", [(16, 16), (15, 15), (9, 12)])
def test_a_point_at_the_centre_has_a_far_field_without_a_phase_ramp(shape):
    wave = torch.zeros(shape, dtype=torch.complex128)
    wave[shape[0] // 2, shape[1] // 2] = 1
    torch.testing.assert_close(far_field(wave), torch.full_like(wave, (shape[0] * shape[1]) ** -0.5))


def test_a_phase_ramp_shifts_the_spot_towards_higher_frequencies():
    ramp = torch.polar(torch.ones(8, 8), 2 * torch.pi * 3 / 8 * torch.arange(8.0)[:, None].expand(8, 8))
    spot = diffraction_intensity(torch.ones(8, 8, dtype=torch.complex64), ramp).argmax().item()
    assert divmod(spot, 8) == (4 + 3, 4)


def test_incoherent_modes_add_in_intensity():
    modes, obj_patch = complex_noise(3, 16, 16), complex_noise(4, 16, 16, seed=1)
    expected = sum(diffraction_intensity(mode, obj_patch) for mode in modes)
    torch.testing.assert_close(diffraction_intensity(modes, obj_patch), expected)


@pytest.mark.parametrize("probe_shape", [(16, 12), (2, 16, 12)])
def test_a_probe_of_another_size_is_refused_and_both_sizes_are_named(probe_shape):
    with pytest.raises(ValueError, match=r"\(16, 12\).*\(16, 16\)"):
        diffraction_intensity(complex_noise(*probe_shape), complex_noise(4, 16, 16))
