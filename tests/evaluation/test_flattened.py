"""The SSIM of PPN's released code."""

import math

import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Generator

from ptycho_bench.evaluation import flattened
from ptycho_bench.evaluation.flattened import flattened_ssim


def patches(count=40):
    generator = Generator().manual_seed(0)
    target = torch.rand(count, 8, 8, generator=generator)
    return target + 0.1 * torch.randn(count, 8, 8, generator=generator), target


def test_it_is_the_ssim_of_an_image_with_a_row_per_patch():
    pred, target = patches()
    rows, true = pred.flatten(1).double().numpy(), target.flatten(1).double().numpy()
    expected = structural_similarity(rows, true, data_range=true.max() - true.min())
    assert flattened_ssim(pred, target) == pytest.approx(expected, rel=1e-9)


def test_it_does_not_depend_on_how_many_patches_are_compared_at_once(monkeypatch):
    pred, target = patches()
    expected = flattened_ssim(pred, target)
    monkeypatch.setattr(flattened, "ROWS", 5)
    assert flattened_ssim(pred, target) == pytest.approx(expected, rel=1e-12)


def test_it_is_undefined_for_few_patches_and_for_a_flat_target():
    pred, target = patches(6)
    assert math.isnan(flattened_ssim(pred, target))
    assert math.isnan(flattened_ssim(*(torch.ones(20, 8, 8),) * 2))
