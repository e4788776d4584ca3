"""The blind loss ignores one constant phase per patch and nothing else."""

import math

import pytest
import torch

from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.physics.specimens.objects import wrap_phase
from tests.conftest import options
from tests.losses.conftest import SCALING, exact, make_loss, random_patches, represented

SHIFTS_RAD = torch.tensor([0.3, -1.1, 2.0]).view(3, 1, 1)
phases = pytest.mark.parametrize("phase", options("phase"))


def predicted(network, amplitude, phase) -> Prediction:
    """Return a prediction of these physical values."""
    return exact(network, network.target(amplitude, phase, None))


def small_phases() -> torch.Tensor:
    """Return random phases in [-0.5, 0.5], (3, 16, 16), which never wrap."""
    return random_patches(seed=1)[1] / 5.6


def errors_of_mean_zero() -> torch.Tensor:
    """Return phase errors up to 0.1 rad whose mean over each patch is zero, (3, 16, 16)."""
    errors = 0.05 * torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(3))
    return errors - errors.mean(dim=(-2, -1), keepdim=True)


@phases
def test_a_prediction_that_equals_the_truth_up_to_a_constant_per_patch_has_no_phase_error(phase):
    network = represented(phase)
    amplitude, angle = random_patches()
    target = network.target(amplitude, angle, None)
    terms = make_loss("blind", phase)(predicted(network, amplitude, wrap_phase(angle + SHIFTS_RAD)), target)
    assert terms["total"].item() == pytest.approx(0, abs=1e-10)


@phases
def test_a_constant_added_to_the_predicted_phase_of_each_patch_changes_nothing(phase):
    network, loss = represented(phase), make_loss("blind", phase)
    (amplitude, angle), (guess, guessed_angle) = random_patches(), random_patches(seed=5)
    target = network.target(amplitude, angle, None)
    before = loss(predicted(network, guess, guessed_angle), target)
    after = loss(predicted(network, guess, wrap_phase(guessed_angle + SHIFTS_RAD)), target)
    assert before["phase_blind"] > 1e-3
    torch.testing.assert_close(after, before, rtol=1e-4, atol=0)


@pytest.mark.parametrize("phase", ["scaled", "scaled_linear", "scaled_constrained", "radians", "linear"])
def test_it_is_the_mse_if_the_mean_error_is_zero_and_the_mse_without_the_mean_otherwise(phase):
    network = represented(phase)
    amplitude = random_patches()[0]
    target = network.target(amplitude, small_phases(), None)
    pred = predicted(network, amplitude + 0.1, small_phases() + errors_of_mean_zero())
    blind, mse = (make_loss(loss, phase)(pred, target)["total"] for loss in ("blind", "mse"))
    torch.testing.assert_close(blind, mse)
    shifted = predicted(network, amplitude + 0.1, small_phases() + errors_of_mean_zero() + 0.2)
    unit_rad = 2 * math.pi if phase.startswith("scaled") else 1.0
    torch.testing.assert_close(make_loss("blind", phase)(shifted, target)["total"], mse)
    assert make_loss("mse", phase)(shifted, target)["total"].item() == pytest.approx(mse.item() + (0.2 / unit_rad) ** 2)


@pytest.mark.parametrize("phase", ["circular", "circular_scaled", "circular_unprojected"])
def test_on_the_circle_it_is_the_mse_for_small_errors_of_mean_zero(phase):
    network = represented(phase)
    target = network.target(*random_patches(), None)
    pred = predicted(network, random_patches()[0], random_patches()[1] + 0.1 * errors_of_mean_zero())
    blind, mse = (make_loss(loss, phase)(pred, target)["phase_" + loss] for loss in ("blind", "mse"))
    assert blind.item() == pytest.approx(mse.item(), rel=2e-2)


@phases
def test_its_gradient_does_not_change_the_mean_phase_of_a_patch(phase):
    network, loss = represented(phase), make_loss("blind", phase)
    amplitude, angle = random_patches()
    shift = torch.zeros(3, 1, 1, requires_grad=True)
    guess = (small_phases() + shift).requires_grad_()
    slope, along_constant = torch.autograd.grad(
        loss(predicted(network, amplitude, guess), network.target(amplitude, angle, None))["total"], (guess, shift)
    )
    assert slope.abs().sum(dim=(-2, -1)).min() > 1e-4
    assert along_constant.abs().max() < 1e-5 * slope.abs().sum(dim=(-2, -1)).min()


def test_its_gradient_is_that_of_finite_differences():
    network, loss = represented("radians"), make_loss("blind", "radians")
    amplitude = torch.full((2, 3, 3), 0.5, dtype=torch.float64)
    angle = torch.linspace(-0.5, 0.5, 18, dtype=torch.float64).view(2, 3, 3)
    target = network.target(amplitude, angle, None)

    def total(guess):
        return loss(exact(network, Target(target.amplitude, guess.unsqueeze(1))), target)["total"]

    assert torch.autograd.gradcheck(total, (angle.square().requires_grad_(),))


def test_errors_spread_evenly_over_the_circle_have_a_finite_gradient():
    network = represented("radians")
    amplitude = torch.full((1, 16, 16), 0.5)
    turn = (torch.linspace(-math.pi, math.pi, 257)[:-1]).view(1, 16, 16).requires_grad_()
    pred = predicted(network, amplitude, turn)
    total = make_loss("blind", "radians")(pred, network.target(amplitude, torch.zeros(1, 16, 16), None))["total"]
    total.backward()
    assert total.item() == pytest.approx(math.pi**2 / 3, rel=1e-2)  # the variance of a uniform angle
    assert turn.grad.isfinite().all()


def test_the_unit_of_a_scaled_phase_is_the_training_span():
    network, loss = represented("scaled"), make_loss("blind", "scaled")
    unit = loss.radians_per_unit(predicted(network, *random_patches()))
    assert unit.item() == pytest.approx(SCALING.phase_span)
