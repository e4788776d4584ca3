"""Metrics compared with scikit-image and torchmetrics, per image; masks; phases on the circle."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Generator
from torchmetrics.functional.image import structural_similarity_index_measure

from ptycho_bench.evaluation.metrics import (
    align_phase,
    constant_phase_offset,
    mae,
    mse,
    psnr,
    ssim,
    target_range,
    wrapped_mae,
)
from ptycho_bench.physics.specimens.objects import wrap_phase

SKIMAGE = {"gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}, "uniform": {}}
SHAPES = [(11, 11), (16, 16), (32, 48), (33, 64)]
RANGES = [(0.0, 1.0), (0.0, 255.0), (-math.pi, math.pi)]


def images(*shape, low=0.0, high=1.0, seed=0):
    generator = Generator().manual_seed(seed)
    target = low + (high - low) * torch.rand(shape, generator=generator)
    return target + 0.1 * (high - low) * torch.randn(shape, generator=generator), target


def reference_ssim(pred, target, data_range, window, **options):
    arrays = (image.numpy().astype(np.float64) for image in (pred, target))
    return structural_similarity(*arrays, data_range=data_range, **SKIMAGE[window], **options)


def rectangle(*shape):
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[3:25, 5:33] = True
    return mask, (..., slice(3, 25), slice(5, 33))


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_equals_that_of_scikit_image(shape, low, high):
    pred, target = images(*shape, low=low, high=high)
    expected = peak_signal_noise_ratio(target.double().numpy(), pred.double().numpy(), data_range=high - low)
    assert psnr(pred, target, data_range=high - low).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("window", SKIMAGE)
@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_equals_that_of_scikit_image(shape, low, high, window):
    pred, target = images(*shape, low=low, high=high)
    expected = reference_ssim(pred, target, high - low, window)
    assert ssim(pred, target, data_range=high - low, window=window).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_equals_that_of_torchmetrics_without_its_reflected_border(shape, low, high):
    pred, target = images(3, 2, *shape, low=low, high=high)
    _, similarity = structural_similarity_index_measure(
        pred.double(), target.double(), sigma=1.5, data_range=high - low, return_full_image=True
    )
    expected = similarity[..., 5:-5, 5:-5].mean(dim=(-2, -1))
    torch.testing.assert_close(ssim(pred, target, data_range=high - low).double(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("window", SKIMAGE)
def test_ssim_of_faint_images_equals_that_of_scikit_image(window):
    pred, target = images(24, 24, high=0.05)  # faint, so that the factor of the sample covariance matters
    expected = reference_ssim(pred, target, 1.0, window)
    assert ssim(pred, target, data_range=1, window=window).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("window", SKIMAGE)
def test_ssim_is_accurate_for_a_narrow_range_far_from_zero(window):
    pred, target = images(24, 24, low=0.5, high=0.501)
    expected = reference_ssim(pred, target, 0.001, window)
    assert ssim(pred, target, data_range=0.001, window=window).item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("window", SKIMAGE)
def test_a_batch_is_measured_image_by_image(window):
    pred, target = images(2, 3, 16, 20)
    ranges = target_range(target)
    torch.testing.assert_close(ranges, (target.flatten(2).max(-1).values - target.flatten(2).min(-1).values))
    similarity, noise = ssim(pred, target, data_range=ranges, window=window), psnr(pred, target, data_range=ranges)
    for i, j in np.ndindex(2, 3):
        one = pred[i, j], target[i, j]
        assert similarity[i, j].item() == pytest.approx(reference_ssim(*one, ranges[i, j].item(), window), abs=1e-5)
        torch.testing.assert_close(noise[i, j], psnr(*one, data_range=ranges[i, j]))
        torch.testing.assert_close(mse(pred, target)[i, j], (one[0] - one[1]).square().mean())
        torch.testing.assert_close(mae(pred, target)[i, j], (one[0] - one[1]).abs().mean())


@pytest.mark.parametrize("metric", [mse, mae, wrapped_mae, constant_phase_offset])
def test_a_rectangular_mask_is_equivalent_to_a_crop(metric):
    pred, target = images(4, 30, 40)
    mask, window = rectangle(30, 40)
    torch.testing.assert_close(metric(pred, target, mask=mask), metric(pred[window], target[window]))
    torch.testing.assert_close(metric(pred, target, mask=torch.ones_like(mask)), metric(pred, target))
    torch.testing.assert_close(target_range(target, mask), target_range(target[window]))
    psnr_of_crop = psnr(pred[window], target[window], data_range=1)
    torch.testing.assert_close(psnr(pred, target, data_range=1, mask=mask), psnr_of_crop)


@pytest.mark.parametrize("window", SKIMAGE)
def test_masked_ssim_ignores_every_window_that_contains_a_false_pixel(window):
    pred, target = images(4, 30, 40)
    mask, crop = rectangle(30, 40)
    expected = ssim(pred[crop], target[crop], data_range=1, window=window)
    invalid = pred.where(mask, 1e3)
    torch.testing.assert_close(ssim(invalid, target, data_range=1, window=window, mask=mask), expected)
    everywhere = ssim(pred, target, data_range=1, window=window, mask=torch.ones_like(mask))
    torch.testing.assert_close(everywhere, ssim(pred, target, data_range=1, window=window))


def test_masked_ssim_of_a_mask_with_a_hole_is_the_mean_over_complete_windows():
    pred, target = images(30, 30)
    mask = torch.ones(30, 30, dtype=torch.bool)
    mask[14, 20] = False
    _, similarity = reference_ssim(pred, target, 1.0, "uniform", full=True)
    complete = np.zeros((30, 30), bool)
    complete[3:-3, 3:-3] = True
    complete[14 - 3 : 14 + 4, 20 - 3 : 20 + 4] = False
    found = ssim(pred.where(mask, 50.0), target, data_range=1, window="uniform", mask=mask)
    assert found.item() == pytest.approx(similarity[complete].mean(), abs=1e-5)


def test_equal_images_have_ssim_1_and_infinite_psnr():
    _, target = images(16, 16)
    assert ssim(target, target, data_range=1) == 1
    assert psnr(target, target, data_range=1) == math.inf


@pytest.mark.parametrize("window", SKIMAGE)
def test_ssim_has_finite_gradients_on_flat_images(window):
    for value in (0.0, 0.5):
        pred = torch.full((1, 16, 16), value, requires_grad=True)
        ssim(pred, torch.zeros(1, 16, 16), data_range=1, window=window).sum().backward()
        assert pred.grad.isfinite().all()


@pytest.mark.parametrize(("window", "side"), [("gaussian", 11), ("uniform", 7)])
def test_images_smaller_than_the_window_are_rejected(window, side):
    small = torch.zeros(40, side - 1)
    with pytest.raises(ValueError, match=rf"at least {side} px, got \(40, {side - 1}\)"):
        ssim(small, small, data_range=1, window=window)


def test_an_unknown_window_is_rejected():
    with pytest.raises(ValueError, match="gaussian or uniform, got 'hann'"):
        ssim(torch.zeros(16, 16), torch.zeros(16, 16), data_range=1, window="hann")


def test_phases_are_compared_on_the_circle():
    pred, target = torch.full((2, 2), math.pi - 0.1), torch.full((2, 2), 0.3 - math.pi)
    assert wrapped_mae(pred, target).item() == pytest.approx(0.4, abs=1e-5)
    assert mae(pred, target).item() == pytest.approx(2 * math.pi - 0.4, abs=1e-5)


@pytest.mark.parametrize("offset", [0.0, 0.7, -2.0, 3.1])
@pytest.mark.parametrize("centre", [0.0, math.pi])
def test_aligning_removes_one_constant_per_image_even_across_the_branch_cut(offset, centre):
    target = wrap_phase(centre + images(3, 8, 8, low=-1.0, high=1.0)[1])
    offsets = offset + torch.tensor([0.0, 0.5, -1.0])[:, None, None]
    torch.testing.assert_close(align_phase(wrap_phase(target + offsets), target), target, atol=1e-5, rtol=0)


def test_aligning_does_not_change_the_rest_of_the_error():
    pred, target = images(1, 16, 16)
    error = pred - target
    aligned = align_phase(pred + 2.5, target)
    assert (aligned - target - (error - error.mean())).abs().max() < 0.01


def test_aligning_uses_only_the_pixels_of_the_mask():
    _, target = images(30, 40)
    mask, _ = rectangle(30, 40)
    pred = (target + 1.0).where(mask, -2.0)
    torch.testing.assert_close(align_phase(pred, target, mask=mask)[mask], target[mask], atol=1e-5, rtol=0)
