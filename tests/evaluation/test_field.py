"""Scores of a field, each beside that of a constant guess."""

import math

import pytest
import torch
from torch import Generator

from ptycho_bench.evaluation.field import FieldScore, band_scores, frc_resolution, pooled_score, range_of, score_field
from ptycho_bench.evaluation.images import Images
from ptycho_bench.evaluation.protocol import MetricProtocol
from ptycho_bench.network.scaling import NEUTRAL

PPN = MetricProtocol(
    data_range="unit", ssim_window="gaussian", spectrum="diagonal", flattened_ssim=False, scaled_by="auto"
)
EVERYWHERE = torch.ones(64, 48, dtype=torch.bool)


def smooth(seed, shape=(64, 48), width=0.08):
    """Return an image of random waves with few high frequencies, of unit variance."""
    y, x = (torch.fft.fftfreq(side) for side in shape)
    noise = torch.randn(shape, generator=Generator().manual_seed(seed))
    image = torch.fft.ifft2(torch.fft.fft2(noise) * torch.exp(-(y[:, None] ** 2 + x**2) / (2 * width**2))).real
    return image / image.std()


TRUTH = Images(1 + 0.1 * smooth(0), 0.5 * smooth(1))


def blurred(images, sigma=0.05):
    y, x = (torch.fft.fftfreq(side) for side in images.phase.shape)
    low = torch.exp(-(y[:, None] ** 2 + x**2) / (2 * sigma**2))
    return Images(*(torch.fft.ifft2(torch.fft.fft2(image) * low).real for image in images))


def score(pred, covered=EVERYWHERE, scaling=None):
    return score_field(pred, TRUTH, covered, scaling=scaling, protocol=PPN, block_px=16)


def test_what_is_better_than_a_constant_is_learned():
    assert score(blurred(TRUTH)).record()["not_learned"] == []
    assert score(Images(TRUTH.amplitude, -TRUTH.phase)).record()["not_learned"] == ["phase"]
    noise = Images(1 + smooth(5), TRUTH.phase)
    assert score(noise).record()["not_learned"] == ["amplitude"]
    assert score(TRUTH.constant()).record()["not_learned"] == ["amplitude", "phase"]


def test_a_constant_phase_offset_is_no_failure_to_learn():
    assert score(Images(TRUTH.amplitude, TRUTH.phase + 2)).not_learned() == []


def test_the_constant_guess_is_the_mean_of_the_pixels_that_count():
    covered = EVERYWHERE.clone()
    covered[:20] = False
    scaling = range_of(TRUTH, covered)
    guess = score(TRUTH, covered).constant
    amplitude = scaling.scale_amplitude(TRUTH.amplitude[20:])
    assert guess["amplitude_mse"] == pytest.approx(amplitude.var(correction=0).item(), rel=1e-4)
    assert guess["frc_resolution_px"] == 48
    assert not any("band" in name for name in guess)


def test_the_range_of_the_truth_is_scaled_to_one():
    scaling = range_of(TRUTH)
    for scaled in (scaling.scale_amplitude(TRUTH.amplitude), scaling.scale_phase(TRUTH.phase)):
        assert (scaled.min().item(), scaled.max().item()) == pytest.approx((0, 1), abs=1e-6)
    assert score(TRUTH).scaled_by == "scored field"
    assert score(TRUTH, scaling=scaling).scaled_by == "training"


def test_a_blurred_field_has_a_coarser_resolution():
    generator = Generator().manual_seed(3)
    blur = Images(*(one + 0.01 * torch.randn(one.shape, generator=generator) for one in blurred(TRUTH)))
    assert frc_resolution(TRUTH, TRUTH) == 2
    assert 4 < frc_resolution(blur, TRUTH) < 24


def test_the_resolution_does_not_depend_on_a_constant_phase():
    generator = Generator().manual_seed(3)
    blur = Images(*(one + 0.02 * torch.randn(one.shape, generator=generator) for one in blurred(TRUTH)))
    turned = Images(blur.amplitude, blur.phase + 1.7)
    assert frc_resolution(turned, TRUTH) == pytest.approx(frc_resolution(blur, TRUTH), rel=1e-4)


def test_a_blurred_field_has_less_energy_in_the_high_band():
    found = score(blurred(TRUTH))
    for quantity in ("amplitude", "phase"):
        bands = [found.stitched[f"{quantity}_band_{band}"] for band in ("low", "middle", "high")]
        assert sum(bands) == pytest.approx(1)
        assert bands[2] < found.truth[f"{quantity}_band_high"]
        assert bands[0] > found.truth[f"{quantity}_band_low"]


def test_a_constant_field_has_no_band_energies():
    assert all(math.isnan(value) for value in band_scores(TRUTH.constant(), PPN, None).values())


def test_pixels_that_no_patch_covers_do_not_count():
    covered = EVERYWHERE.clone()
    covered[30:40, 10:20] = False
    pred = blurred(TRUTH)
    other = Images(*(image.where(covered, 7.0) for image in pred))
    found, changed = score(pred, covered).record(), score(other, covered).record()
    for part in ("stitched", "truth"):
        assert found[part] == pytest.approx(changed[part], rel=1e-5), part
    assert found["interval"]["stitched"]["phase_ssim"] == pytest.approx(changed["interval"]["stitched"]["phase_ssim"])


def test_the_resamples_of_several_fields_are_independent():
    values = torch.randn(1000, generator=Generator().manual_seed(0), dtype=torch.float64)
    one = FieldScore({"x_mse": 1.0}, {"x_mse": 2.0}, {"x_band": 0.5}, {"x_mse": values}, "training", NEUTRAL)
    both = pooled_score([one, one._replace(stitched={"x_mse": 3.0})])
    assert both.stitched == {"x_mse": 2.0}
    assert both.resamples["x_mse"].std().item() == pytest.approx(values.std().item() / math.sqrt(2), rel=0.1)


def test_fields_of_a_single_block_leave_no_interval():
    one = FieldScore({"x_mse": 1.0}, {"x_mse": 2.0}, {}, {"x_mse": torch.ones(3)}, "training", NEUTRAL)
    assert pooled_score([one, one._replace(resamples={})]).resamples == {}
