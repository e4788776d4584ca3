"""Losses against independent computation; every loss of conf/loss with every phase representation of conf/phase."""

import math
from pathlib import Path

import hydra
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from skimage.metrics import structural_similarity

from ptycho_bench.data.sample import Heads
from ptycho_bench.data.scaling import Scaling
from ptycho_bench.losses import MSELoss, WeightedLoss

CONF = Path(__file__).parents[1] / "conf"
SCALING = Scaling(amplitude_low=0.0, amplitude_high=1.0, phase_low=-math.pi, phase_high=math.pi, intensity_max=1.0)


def files(group):
    return pytest.mark.parametrize(f"{group}_file", sorted((CONF / group).glob("*.yaml")), ids=lambda path: path.stem)


def build(path, **extra):
    return hydra.utils.instantiate(OmegaConf.load(path), _partial_=True)(**extra)


def heads(phase_channels=2, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return Heads(
        torch.rand(3, 1, 16, 16, generator=draw), 2 * torch.rand(3, phase_channels, 16, 16, generator=draw) - 1
    )


def negative_ssim(pred, target, data_range):
    pairs = zip(pred.flatten(0, 1).double().numpy(), target.flatten(0, 1).double().numpy(), strict=True)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": data_range}
    return 1 - np.mean([structural_similarity(p, t, **settings) for p, t in pairs])


def squared_error(pred, target):
    return ((pred - target) ** 2).mean().item()


def test_mse_is_the_squared_error_of_both_heads():
    pred, target = heads(), heads(seed=1)
    terms = MSELoss(phase_range=2.0)(pred, target)
    assert terms["amplitude_mse"].item() == pytest.approx(squared_error(pred.amplitude, target.amplitude), rel=1e-5)
    assert terms["phase_mse"].item() == pytest.approx(squared_error(pred.phase, target.phase), rel=1e-5)
    assert set(terms) == {"total", "amplitude_mse", "phase_mse"}


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("phase_range", [1.0, 2 * math.pi])
def test_weighted_is_mse_and_scikit_images_ssim(alpha, phase_range):
    pred, target = heads(), heads(seed=1)
    terms = WeightedLoss(alpha=alpha, phase_range=phase_range)(pred, target)
    expected = {
        "amplitude_mse": alpha * squared_error(pred.amplitude, target.amplitude),
        "phase_mse": alpha * squared_error(pred.phase, target.phase),
        "amplitude_nssim": (1 - alpha) * negative_ssim(pred.amplitude, target.amplitude, 1.0),
        "phase_nssim": (1 - alpha) * negative_ssim(pred.phase, target.phase, phase_range),
    }
    found = {name: value.item() for name, value in terms.items() if name != "total"}
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, 90])
def test_an_alpha_outside_its_range_is_refused(alpha):
    with pytest.raises(ValueError, match=rf"alpha must lie in \[0, 1\], got {alpha}"):
        WeightedLoss(alpha=alpha, phase_range=1.0)


@files("loss")
@files("phase")
def test_the_terms_sum_to_the_total_and_vanish_for_the_truth(loss_file, phase_file):
    phase = build(phase_file, scaling=SCALING)
    loss = build(loss_file, phase_range=phase.data_range)
    pred, target = heads(phase.channels), heads(phase.channels, seed=1)
    terms = loss(pred, target)
    torch.testing.assert_close(terms["total"], sum(value for name, value in terms.items() if name != "total"))
    assert terms["total"] > 0
    assert loss(target, target)["total"].item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("angle", [0.0, math.pi])
@pytest.mark.parametrize("start", [0.0, 20.0])
@files("loss")
@files("phase")
def test_gradients_are_finite_for_flat_dark_patches_at_the_branch_cut(loss_file, phase_file, start, angle):
    phase = build(phase_file, scaling=SCALING)
    raw = [torch.full((2, channels, 16, 16), start, requires_grad=True) for channels in (1, phase.channels)]
    pred = Heads(torch.sigmoid(raw[0]), phase.activate(raw[1]))
    target = Heads(torch.zeros(2, 1, 16, 16), phase.encode(torch.full((2, 16, 16), angle)))
    total = build(loss_file, phase_range=phase.data_range)(pred, target)["total"]
    total.backward()
    assert total.isfinite()
    assert all(part.grad.isfinite().all() for part in raw)


@files("loss")
@files("phase")
def test_a_step_against_the_gradient_lowers_the_loss(loss_file, phase_file):
    phase = build(phase_file, scaling=SCALING)
    loss, target = build(loss_file, phase_range=phase.data_range), heads(phase.channels, seed=1)
    raw = [torch.randn_like(part).requires_grad_() for part in heads(phase.channels)]

    def total(amplitude, channels):
        return loss(Heads(torch.sigmoid(amplitude), phase.activate(channels)), target)["total"]

    before = total(*raw)
    before.backward()
    assert total(*(part - 0.1 * part.grad for part in raw)) < before
