"""Test the detector noise: its statistics, bad pixels, and reproducibility from the generator."""

import pytest
import torch
from torch import Generator

from ptycho_bench.physics.noise import CPRNoise, DetectorNoise, NoNoise, PPNNoise, blend_with_mean

PPN = {"efficiency": 0.5, "coherence": 1.0, "readout_counts": 2.0}
DETECTOR = {"efficiency": 0.5, "saturation_counts": 4095, "dead_pixels": 0, "hot_pixels": 0, "pixel_seed": 0}


def counts_of(noise, photons, seed=0):
    return noise(torch.full((200, 1000), photons), Generator().manual_seed(seed))


def test_ppn_noise_has_the_mean_and_variance_of_equation_2():
    counts = counts_of(PPNNoise(**PPN), 400.0)
    assert counts.mean() == pytest.approx(0.5 * 400, abs=0.2)
    assert counts.var() == pytest.approx(0.5 * 400 + 2.0**2, rel=0.02)


def test_cpr_noise_has_the_mean_and_variance_of_its_two_terms():
    counts = counts_of(CPRNoise(sigma_counts=10.0), 400.0)
    assert counts.mean() == pytest.approx(400, abs=0.3)
    assert counts.var() == pytest.approx(400 + 10.0**2, rel=0.02)
    assert torch.equal(counts, counts.round())


@pytest.mark.parametrize("noise", [PPNNoise(**PPN), CPRNoise(sigma_counts=2.0)])
def test_counts_are_clipped_at_zero(noise):
    counts = counts_of(noise, 0.0)
    assert counts.min() == 0
    assert 0 < (counts > 0).float().mean() <= 0.52


@pytest.mark.parametrize("noise", [PPNNoise(**PPN), CPRNoise(sigma_counts=2.0)])
def test_only_the_generator_determines_the_noise(noise):
    state = torch.get_rng_state()
    assert torch.equal(counts_of(noise, 50.0, seed=1), counts_of(noise, 50.0, seed=1))
    assert not torch.equal(counts_of(noise, 50.0, seed=1), counts_of(noise, 50.0, seed=2))
    assert torch.equal(torch.get_rng_state(), state)


def test_no_noise_returns_the_expected_intensity():
    intensity = torch.rand(3, 4, 4)
    assert torch.equal(NoNoise()(intensity, Generator()), intensity)


def test_an_incoherent_beam_sees_the_mean_of_each_patch():
    patches = torch.randn(3, 8, 8, dtype=torch.complex64)
    mean = patches.mean((-2, -1), keepdim=True)
    torch.testing.assert_close(blend_with_mean(patches, 0.0), mean.expand_as(patches))
    torch.testing.assert_close(blend_with_mean(patches, 0.25), 0.25 * patches + 0.75 * mean)
    assert torch.equal(blend_with_mean(patches, 1.0), patches)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"efficiency": 50}, r"efficiency must lie in \[0, 1\], got 50"),
        ({"coherence": -0.1}, r"coherence must lie in \[0, 1\], got -0\.1"),
        ({"readout_counts": -1.0}, r"readout_counts must lie in \[0, 1e12\], got -1"),
    ],
)
def test_impossible_ppn_noise_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PPNNoise(**PPN | changes)


def test_negative_cpr_noise_is_refused():
    with pytest.raises(ValueError, match=r"sigma_counts must lie in \[0, 1e12\], got -1"):
        CPRNoise(sigma_counts=-1.0)


def test_a_detector_counts_photons():
    counts = counts_of(DetectorNoise(**DETECTOR), 400.0)
    assert counts.mean() == pytest.approx(0.5 * 400, abs=0.2)
    assert counts.var() == pytest.approx(0.5 * 400, rel=0.02)
    assert torch.equal(counts, counts.round())


def test_counts_are_clipped_at_saturation():
    counts = counts_of(DetectorNoise(**DETECTOR | {"saturation_counts": 200}), 400.0)
    assert counts.max() == 200
    assert (counts == 200).float().mean() == pytest.approx(0.5, abs=0.05)


def test_dead_and_hot_pixels_have_the_same_positions_and_readings_in_each_pattern():
    noise = DetectorNoise(**DETECTOR | {"dead_pixels": 3, "hot_pixels": 5})
    dead, hot = noise.bad_pixels((16, 24))
    assert (dead.sum(), hot.sum(), (dead & hot).sum()) == (3, 5, 0)
    for seed in (0, 1):
        counts = noise(torch.full((7, 16, 24), 400.0), Generator().manual_seed(seed))
        assert (counts[:, dead] == 0).all()
        assert (counts[:, hot] == 4095).all()
        valid = counts[:, ~(dead | hot)]
        assert 0 < valid.min() <= valid.max() < 4095


def test_bad_pixels_depend_on_the_pixel_seed_and_do_not_advance_the_generator():
    bad = {"dead_pixels": 30, "hot_pixels": 40}
    masks = [DetectorNoise(**DETECTOR | bad | {"pixel_seed": seed}).bad_pixels((64, 64)) for seed in (0, 0, 1)]
    assert torch.equal(masks[0].hot, masks[1].hot)
    assert not torch.equal(masks[0].hot, masks[2].hot)
    without, with_bad = (counts_of(DetectorNoise(**DETECTOR | bad), 400.0) for bad in ({}, bad))
    dead, hot = DetectorNoise(**DETECTOR | bad).bad_pixels((200, 1000))
    assert torch.equal(without[~(dead | hot)], with_bad[~(dead | hot)])


def test_only_the_generator_determines_the_counts_of_a_detector():
    state = torch.get_rng_state()
    noise = DetectorNoise(**DETECTOR)
    assert torch.equal(counts_of(noise, 50.0, seed=1), counts_of(noise, 50.0, seed=1))
    assert not torch.equal(counts_of(noise, 50.0, seed=1), counts_of(noise, 50.0, seed=2))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("noise", [NoNoise(), PPNNoise(**PPN), CPRNoise(sigma_counts=1.0)])
def test_other_detectors_have_no_bad_pixels(noise):
    dead, hot = noise.bad_pixels((6, 9))
    assert dead.shape == hot.shape == (6, 9)
    assert not (dead | hot).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"efficiency": 50}, r"efficiency must lie in \[0, 1\], got 50; 50 % is written 0\.5"),
        ({"saturation_counts": 0}, r"saturation_counts must lie in \[1, 65535\], got 0"),
        ({"saturation_counts": 65536}, r"saturation_counts must lie in \[1, 65535\], got 65536; a 12-bit counter"),
        ({"dead_pixels": -1}, r"dead_pixels must lie in \[0, 1000000\], got -1"),
        ({"hot_pixels": -2}, r"hot_pixels must lie in \[0, 1000000\], got -2"),
    ],
)
def test_an_impossible_detector_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        DetectorNoise(**DETECTOR | changes)


def test_more_bad_pixels_than_pixels_are_refused():
    noise = DetectorNoise(**DETECTOR | {"dead_pixels": 9, "hot_pixels": 8})
    with pytest.raises(ValueError, match="must be at most 16, the number of pixels, got 17"):
        noise.bad_pixels((4, 4))
