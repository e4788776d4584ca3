"""What holds for every loss of conf/loss with every representation it makes sense for."""

import itertools
import math

import pytest
import torch

from tests.losses.conftest import SIDE, exact, make_loss, options, pattern, random_patches, represented

SENSELESS = [("geodesic", phase) for phase in ("scaled", "radians", "linear")]
PAIRS = [(loss, phase) for loss in options("loss") for phase in options("phase") if (loss, phase) not in SENSELESS]
pairs = pytest.mark.parametrize(("loss", "phase"), PAIRS)
RECIPROCAL = {"nssim": "loss.domain=reciprocal", "weighted": "loss.domain=reciprocal"}


def truth(network, amplitude, phase):
    return network.target(amplitude, phase, pattern(amplitude, phase))


@pairs
def test_terms_sum_to_the_total_and_are_positive(loss, phase, raw):
    network, made = represented(phase), make_loss(loss, phase)
    target = truth(network, *random_patches())
    terms = made(network.activate(*raw(network.phase.channels)), target)
    torch.testing.assert_close(terms["total"], sum(value for name, value in terms.items() if name != "total"))
    assert all(value > 0 for value in terms.values())


@pairs
def test_the_truth_has_no_loss(loss, phase):
    network = represented(phase)
    target = truth(network, *random_patches())
    words = ["loss.smoothness=0"] if loss == "diffraction" else []
    assert make_loss(loss, phase, *words)(exact(network, target), target)["total"].item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("loss", RECIPROCAL)
@pytest.mark.parametrize("amplitude", options("amplitude"))
@pytest.mark.parametrize("phase", options("phase"))
def test_the_truth_has_no_loss_in_reciprocal_space(loss, phase, amplitude):
    network = represented(phase, amplitude)
    target = truth(network, *random_patches())
    made = make_loss(loss, phase, RECIPROCAL[loss], amplitude=amplitude)
    assert made(exact(network, target), target)["total"].item() == pytest.approx(0, abs=1e-4)


@pairs
def test_a_step_against_the_gradient_lowers_the_loss(loss, phase, raw):
    network, made = represented(phase), make_loss(loss, phase)
    target, outputs = truth(network, *random_patches()), raw(network.phase.channels)
    before = made(network.activate(*outputs), target)["total"]
    gradients = torch.autograd.grad(before, outputs)
    step = 1e-3 / max(gradient.abs().max() for gradient in gradients)
    after = made(
        network.activate(*(part - step * gradient for part, gradient in zip(outputs, gradients, strict=True))), target
    )
    assert after["total"] < before


EDGES = {"dark": (0.0, 0.0), "at the branch cut": (0.5, math.pi), "beyond it": (1.0, -math.pi)}  # all flat
OTHER_FORM = {**RECIPROCAL, "diffraction": "loss.misfit=poisson"}


@pytest.mark.parametrize("form", ["as is", "other form"])
@pairs
def test_gradients_are_finite_at_the_edges(loss, phase, form):
    words = [OTHER_FORM[loss]] if form != "as is" and loss in OTHER_FORM else []
    network, made = represented(phase), make_loss(loss, phase, *words)
    for (amplitude, angle), start in itertools.product(EDGES.values(), (0.0, 20.0, -20.0)):
        target = truth(network, *(torch.full((2, SIDE, SIDE), value) for value in (amplitude, angle)))
        outputs = [torch.full((2, c, SIDE, SIDE), start, requires_grad=True) for c in (1, network.phase.channels)]
        total = made(network.activate(*outputs), target)["total"]
        total.backward()
        assert total.isfinite()
        assert all(part.grad is None or part.grad.isfinite().all() for part in outputs)


@pytest.mark.parametrize(("loss", "phase"), SENSELESS)
def test_a_loss_on_the_circle_is_refused_without_one(loss, phase):
    with pytest.raises(ValueError, match=r"loss=geodesic compares points of the unit circle.*phase=circular"):
        make_loss(loss, phase)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("loss=huber loss.delta=0", "loss.delta must be above 0, got 0"),
        ("loss=weighted loss.alpha=-0.1", r"loss.alpha must lie in \[0, 1\], got -0.1"),
        ("loss=weighted loss.alpha=90", r"loss.alpha must lie in \[0, 1\], got 90"),
        ("loss=nssim loss.domain=fourier", "loss.domain must be real or reciprocal, got 'fourier'"),
        ("loss=geodesic loss.base=l2", "loss.base must be mse or mae, got 'l2'"),
        ("loss=geodesic loss.ssim=-1", "loss.ssim must be at least 0, got -1"),
        ("loss=geodesic loss.amplitude=0 loss.phase=0", "loss.amplitude or loss.phase must be above 0"),
        ("loss=diffraction loss.misfit=gauss", "loss.misfit must be intensity, amplitude, poisson, got 'gauss'"),
        ("loss=diffraction loss.smoothness=-1", "loss.smoothness must be at least 0, got -1"),
    ],
)
def test_an_impossible_loss_is_refused(word, message):
    loss, *words = word.removeprefix("loss=").split()
    with pytest.raises(ValueError, match=message):
        make_loss(loss, "circular", *words)
