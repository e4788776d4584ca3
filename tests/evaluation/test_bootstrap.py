"""Intervals of a stitched field's metrics from its blocks."""

import math

import pytest
import torch
from torch import Generator

from ptycho_bench.evaluation import bootstrap
from ptycho_bench.evaluation.bootstrap import RESAMPLES, intervals, resampled_metrics
from ptycho_bench.evaluation.protocol import MetricProtocol

UNIT = MetricProtocol(
    data_range="unit", ssim_window="gaussian", spectrum="diagonal", flattened_ssim=False, scaled_by="auto"
)
OWN = MetricProtocol(
    data_range="target", ssim_window="uniform", spectrum="radial", flattened_ssim=False, scaled_by="auto"
)


def noisy_pair(rows=96, columns=80, seed=0):
    generator = Generator().manual_seed(seed)
    target = torch.rand(rows, columns, generator=generator)
    return target + 0.1 * torch.randn(rows, columns, generator=generator), target


@pytest.mark.parametrize("protocol", [UNIT, OWN], ids=["unit", "target"])
@pytest.mark.parametrize("masked", [False, True])
def test_an_interval_contains_the_metric_of_the_whole_field(protocol, masked):
    pair = noisy_pair(100, 83)
    mask = torch.ones(100, 83, dtype=torch.bool)
    mask[:, 40:50] = not masked
    whole = protocol.measure(*pair, "phase", mask)
    found = intervals(resampled_metrics({"phase": pair}, protocol, 16, mask))
    assert set(found) == set(whole)
    for name, (low, high) in found.items():
        assert low < whole[name].item() < high, name


def test_the_interval_of_a_mean_is_as_wide_as_the_blocks_vary():
    target = torch.zeros(64, 64)
    levels = torch.arange(16.0).reshape(4, 4)
    pred = levels.sqrt().repeat_interleave(16, 0).repeat_interleave(16, 1)
    resamples = resampled_metrics({"x": (pred, target)}, UNIT, 16)
    assert resamples["x_mse"].shape == (RESAMPLES,)
    assert resamples["x_mse"].mean().item() == pytest.approx(7.5, rel=0.05)
    assert resamples["x_mse"].std().item() == pytest.approx(levels.std(correction=0).item() / 4, rel=0.1)
    low, high = intervals(resamples)["x_mse"]
    assert (low, high) == pytest.approx((5.2, 9.8), abs=0.3)
    expected = [-10 * math.log10(high), -10 * math.log10(low)]
    assert intervals(resamples)["x_psnr_db"] == pytest.approx(expected)


def test_resampling_is_the_same_every_time_and_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    first, second = (resampled_metrics({"x": noisy_pair()}, UNIT, 16) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), before)


def test_pixels_that_do_not_count_change_nothing():
    pred, target = noisy_pair()
    mask = torch.ones(96, 80, dtype=torch.bool)
    mask[:32, :48] = False
    resamples = resampled_metrics({"x": (pred, target)}, UNIT, 16, mask)
    changed = resampled_metrics({"x": (pred.where(mask, 9.0), target)}, UNIT, 16, mask)
    for name, values in resamples.items():
        torch.testing.assert_close(values, changed[name], msg=name)


def test_a_field_of_one_block_has_no_interval():
    assert resampled_metrics({"x": noisy_pair(20, 20)}, UNIT, 32) == {}
    assert intervals({}) == {}


def test_a_perfect_prediction_has_an_infinite_psnr_in_every_resample():
    _, target = noisy_pair()
    found = intervals(resampled_metrics({"x": (target, target)}, UNIT, 16))
    assert found["x_psnr_db"] == [math.inf, math.inf]
    assert found["x_mse"] == [0, 0]
    assert found["x_ssim"] == pytest.approx([1, 1])


def test_a_flat_target_has_no_psnr_and_ssim():
    pred, _ = noisy_pair()
    found = intervals(resampled_metrics({"x": (pred, torch.full((96, 80), 0.5))}, OWN, 16))
    assert all(math.isnan(bound) for name in ("x_psnr_db", "x_ssim") for bound in found[name])
    assert found["x_mae"][0] > 0


def test_every_pixel_is_in_one_block():
    values = torch.arange(6 * 7.0).reshape(6, 7)
    sums = bootstrap.block_sums(values, 4)
    assert sums.tolist() == [values[:4, :4].sum(), values[:4, 4:].sum(), values[4:, :4].sum(), values[4:, 4:].sum()]
