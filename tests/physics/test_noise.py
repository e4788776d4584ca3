"""Detector noise: statistics of PPN Eq. 2, reproducible from the generator alone."""

import pytest
import torch
from torch import Generator

from ptycho_bench.physics.noise import CPRNoise, NoNoise, PPNNoise, blend_with_mean

PPN = {"efficiency": 0.5, "coherence": 1.0, "readout_counts": 2.0}


def counts_of(noise, photons, seed=0):
    return noise(torch.full((200, 1000), photons), Generator().manual_seed(seed))


def test_ppn_noise_has_the_mean_and_variance_of_equation_2():
    counts = counts_of(PPNNoise(**PPN), 400.0)
    assert counts.mean() == pytest.approx(0.5 * 400, abs=0.2)
    assert counts.var() == pytest.approx(0.5 * 400 + 2.0**2, rel=0.02)


def test_cpr_noise_has_the_mean_and_variance_of_both_its_terms():
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
def test_the_generator_alone_decides_the_noise(noise):
    state = torch.get_rng_state()
    assert torch.equal(counts_of(noise, 50.0, seed=1), counts_of(noise, 50.0, seed=1))
    assert not torch.equal(counts_of(noise, 50.0, seed=1), counts_of(noise, 50.0, seed=2))
    assert torch.equal(torch.get_rng_state(), state)


def test_no_noise_is_the_expected_intensity():
    intensity = torch.rand(3, 4, 4)
    assert torch.equal(NoNoise()(intensity, Generator()), intensity)


def test_an_incoherent_beam_sees_each_patchs_mean():
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
        ({"readout_counts": -1.0}, r"readout_counts must be at least 0, got -1"),
    ],
)
def test_impossible_ppn_noise_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PPNNoise(**PPN | changes)


def test_a_negative_cpr_noise_is_refused():
    with pytest.raises(ValueError, match=r"sigma_counts must be at least 0, got -1"):
        CPRNoise(sigma_counts=-1.0)
