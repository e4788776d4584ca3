"""A simulated scan: the forward model at the recorded positions, reproducible from its seed."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from ptycho_bench.data import simulate as simulate_module
from ptycho_bench.data.simulate import simulate_scan, simulate_xray_scan
from ptycho_bench.data.store import read_scan, write_scan
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.noise import CPRNoise, DetectorNoise, NoNoise, PPNNoise, blend_with_mean
from ptycho_bench.physics.probe import scale_to_photons
from ptycho_bench.physics.scan import cut_patches, raster_scan

NOISE = PPNNoise(efficiency=0.5, coherence=1.0, readout_counts=1.0)
DETECTOR = DetectorNoise(efficiency=1.0, saturation_counts=300, dead_pixels=3, hot_pixels=2, pixel_seed=0)


@pytest.fixture
def simulate(tiny_object, tiny_probe):
    def call(simulate=simulate_scan, **changes):
        settings = {"photons": 1e4, "overlap_ratio": 0.5, "step_px": None, "jitter_px": 2, "noise": NOISE, "seed": 0}
        settings |= {"name": "tiny", "obj": tiny_object, "probe": tiny_probe, "pixel_size_m": None, "held_out": False}
        return simulate(**settings | changes)

    return call


def patches_of(array, positions_px, side):
    return np.stack([array[y : y + side, x : x + side] for y, x in positions_px.astype(int)])


def test_patterns_are_the_far_field_of_probe_times_object(tiny_scan):
    for n in (0, 37, 120):
        wave = tiny_scan.probe[0] * patches_of(tiny_scan.obj, tiny_scan.positions_px[n : n + 1], 16)[0]
        far_field = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(wave), norm="ortho"))
        np.testing.assert_allclose(tiny_scan.diffraction[n], np.abs(far_field) ** 2, rtol=1e-4, atol=1e-3)


def test_labels_follow_the_jittered_positions(tiny_scan):
    assert len(tiny_scan) == 11 * 11
    assert np.abs(tiny_scan.positions_px - tiny_scan.scan_index * 8).max() == 2
    truth = patches_of(tiny_scan.obj, tiny_scan.positions_px, 16)
    np.testing.assert_allclose(tiny_scan.amplitude * np.exp(1j * tiny_scan.phase), truth, atol=1e-6)
    np.testing.assert_allclose(tiny_scan.phase, np.angle(truth), atol=1e-6)


def test_photons_scale_probe_and_patterns(simulate):
    dim, bright = (simulate(photons=photons, noise=NoNoise()) for photons in (1e2, 1e6))
    assert (np.abs(dim.probe) ** 2).sum() == pytest.approx(1e2, rel=1e-5)
    np.testing.assert_allclose(bright.diffraction, 1e4 * dim.diffraction, rtol=1e-3, atol=1e-2)
    np.testing.assert_array_equal(bright.amplitude, dim.amplitude)


def test_an_empty_object_transmits_all_photons_to_the_detector(simulate):
    scan = simulate(obj=torch.ones(96, 96, dtype=torch.complex64), noise=NoNoise())
    np.testing.assert_allclose(scan.diffraction.sum((1, 2)), 1e4, rtol=1e-5)


def test_the_modes_of_a_probe_add_in_intensity(simulate, tiny_probe):
    modes = torch.stack((tiny_probe, tiny_probe.mT * 1j))
    both = simulate(probe=modes, noise=NoNoise()).diffraction
    first, second = (simulate(probe=mode, photons=5e3, noise=NoNoise()).diffraction for mode in modes)
    np.testing.assert_allclose(both, first + second, rtol=1e-3, atol=1e-2)


def test_coherence_blends_the_patch_before_it_is_propagated(simulate, tiny_probe):
    blind = dataclasses.replace(NOISE, efficiency=1.0, coherence=0.0, readout_counts=0.0)
    scan = simulate(noise=blind, photons=1e8, jitter_px=0)
    mean = (scan.amplitude * np.exp(1j * scan.phase)).mean((1, 2))
    np.testing.assert_allclose(scan.diffraction.sum((1, 2)), 1e8 * np.abs(mean) ** 2, rtol=1e-2)
    assert scan.amplitude.std() > 0.1


def test_the_scan_depends_on_the_seed_only(simulate):
    first, again, other = simulate(seed=3), simulate(seed=3), simulate(seed=4)
    np.testing.assert_array_equal(first.diffraction, again.diffraction)
    np.testing.assert_array_equal(first.positions_px, again.positions_px)
    assert (first.diffraction != other.diffraction).any()
    assert (first.positions_px != other.positions_px).any()


def test_simulating_does_not_change_the_global_seeds(simulate):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    simulate()
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_the_scan_records_how_it_was_made(simulate):
    info = simulate(overlap_ratio=None, step_px=4, seed=7, pixel_size_m=4e-9).info
    assert (info.overlap_ratio, info.step_px, info.jitter_px, info.seed) == (0.75, 4, 2, 7)
    assert (info.photons, info.pixel_size_m, info.origin) == (1e4, 4e-9, "simulated from tiny")
    assert json.loads(info.noise) == {"name": "PPNNoise", "efficiency": 0.5, "coherence": 1.0, "readout_counts": 1.0}


def test_an_oblong_probe_is_refused(simulate):
    with pytest.raises(ValueError, match=r"square, got \(16, 12\)"):
        simulate(probe=torch.ones(16, 12, dtype=torch.complex64))


def test_the_probe_of_a_measurement_predicts_the_counts_of_the_detector(simulate):
    scan = simulate(noise=NOISE, photons=1e6)
    waves = scan.measurement().probe * torch.polar(torch.from_numpy(scan.amplitude), torch.from_numpy(scan.phase))
    expected = (torch.fft.fft2(waves, norm="ortho").abs() ** 2).sum()
    assert scan.diffraction.sum() == pytest.approx(expected.item(), rel=1e-3)
    assert (scan.measurement().probe.abs() ** 2).sum().item() == pytest.approx(0.5e6, rel=1e-5)


@pytest.mark.parametrize(
    "noise", [NoNoise(), NOISE, dataclasses.replace(NOISE, coherence=0.6), CPRNoise(sigma_counts=2)]
)
def test_a_scan_simulated_in_chunks_is_equal_to_one_simulated_at_once(
    simulate, tiny_object, tiny_probe, noise, monkeypatch
):
    monkeypatch.setattr(simulate_module, "CHUNK", 50)
    generator = torch.Generator().manual_seed(0)
    positions, _, _ = raster_scan((96, 96), 16, overlap_ratio=0.5, step_px=None, jitter_px=2, generator=generator)
    patches = cut_patches(tiny_object, positions, (16, 16))
    probe = scale_to_photons(tiny_probe, 1e4)
    parts = [
        noise(diffraction_intensity(probe, blend_with_mean(p, noise.coherence)), generator) for p in patches.split(50)
    ]
    scan = simulate(noise=noise)
    np.testing.assert_array_equal(scan.diffraction, torch.cat(parts))
    np.testing.assert_array_equal(scan.amplitude, patches.abs())
    np.testing.assert_array_equal(scan.phase, patches.angle())
    assert {scan.diffraction.dtype, scan.amplitude.dtype, scan.phase.dtype} == {np.dtype("float32")}
    assert not scan.mask.any()


def test_counts_of_a_detector_are_stored_as_integers_and_its_bad_pixels_are_masked(simulate, tmp_path):
    scan = simulate(noise=DETECTOR)
    assert scan.diffraction.dtype == np.uint16
    dead, hot = (pixels.numpy() for pixels in DETECTOR.bad_pixels((16, 16)))
    np.testing.assert_array_equal(scan.mask, (dead | hot).astype(np.uint8))
    assert (scan.diffraction[:, hot] == 300).all()
    assert (scan.diffraction[:, dead] == 0).all()
    assert (scan.diffraction[:, scan.mask == 0] == 300).any()
    np.testing.assert_array_equal(scan.measurement().valid_mask, scan.mask == 0)
    write_scan(tmp_path / "scan.h5", scan)
    stored = read_scan(tmp_path / "scan.h5")
    assert stored.diffraction.dtype == np.uint16
    np.testing.assert_array_equal(stored.diffraction, scan.diffraction)
    np.testing.assert_array_equal(stored.mask, scan.mask)
    assert json.loads(stored.info.noise)["pixel_seed"] == 0


def test_good_pixels_of_a_detector_have_poisson_counts(simulate):
    plain = simulate(noise=CPRNoise(sigma_counts=0.0), photons=1e3).diffraction
    counts = simulate(noise=DETECTOR, photons=1e3)
    valid_mask = counts.mask == 0
    assert counts.diffraction[:, valid_mask].mean() == pytest.approx(plain[:, valid_mask].mean(), rel=0.02)


def test_a_scan_with_x_rays_records_their_energy_and_is_otherwise_the_same(simulate):
    plain, scan = simulate(), simulate(simulate_xray_scan, energy_ev=8800.0)
    assert (plain.info.energy_ev, scan.info.energy_ev) == (None, 8800.0)
    assert dataclasses.replace(scan.info, energy_ev=None) == plain.info
    np.testing.assert_array_equal(scan.diffraction, plain.diffraction)
