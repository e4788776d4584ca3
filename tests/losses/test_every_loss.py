"""What holds for every loss of conf/loss with every representation it makes sense for."""

import itertools
import math

import pytest
import torch

from ptycho_bench.data.scan import Measurement
from ptycho_bench.network.sample import Target
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.noise import blend_with_mean
from tests.conftest import options
from tests.losses.conftest import SIDE, exact, illumination, make_loss, pattern, random_patches, represented

SENSELESS = [("geodesic", phase) for phase in options("phase") if not represented(phase).phase.circular]
PAIRS = [(loss, phase) for loss in options("loss") for phase in options("phase") if (loss, phase) not in SENSELESS]
pairs = pytest.mark.parametrize(("loss", "phase"), PAIRS)
TRUE_IS_ZERO = {"diffraction": ["loss.smoothness=0"]}
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
    assert make_loss(loss, phase, *TRUE_IS_ZERO.get(loss, []))(exact(network, target), target)[
        "total"
    ].item() == pytest.approx(0, abs=1e-4)


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


FORMS = [(loss, phase, None) for loss, phase in PAIRS]
FORMS += [(loss, phase, word) for loss, word in OTHER_FORM.items() for phase in options("phase")]


@pytest.mark.parametrize(("loss", "phase", "word"), FORMS)
def test_gradients_are_finite_at_the_edges(loss, phase, word):
    network, made = represented(phase), make_loss(loss, phase, *([word] if word else []))
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
        ("loss=diffraction loss.misfit=gauss", "loss.misfit must be one of intensity, amplitude, poisson, got 'gauss'"),
        ("loss=diffraction loss.smoothness=-1", "loss.smoothness must be at least 0, got -1"),
    ],
)
def test_an_impossible_loss_is_refused(word, message):
    loss, *words = word.removeprefix("loss=").split()
    with pytest.raises(ValueError, match=message):
        make_loss(loss, "circular", *words)


LABEL_FREE = [("diffraction", "loss.misfit=amplitude"), ("diffraction", "loss.misfit=poisson")]
LABEL_FREE += [("diffraction", "loss.misfit=intensity"), ("nssim", "loss.domain=reciprocal")]


@pytest.mark.parametrize(("loss", "word"), LABEL_FREE)
def test_losses_between_patterns_never_look_at_the_truth(loss, word, raw):
    network, made = represented("radians", "constrained"), make_loss(loss, "radians", word, amplitude="constrained")
    target = truth(network, *random_patches())
    unknown = torch.full_like(target.amplitude, torch.nan)
    outputs = raw(1)
    total = made(network.activate(*outputs), target._replace(amplitude=unknown, phase=unknown))["total"]
    total.backward()
    assert total.isfinite()
    assert all(part.grad.abs().max() > 0 for part in outputs)


@pytest.mark.parametrize(("loss", "word"), LABEL_FREE)
def test_bad_pixels_do_not_count(loss, word):
    network = represented("circular")
    target = truth(network, *random_patches())
    hot = target.intensity.clone()
    hot[:, 3, 5] = 2 * hot.amax(dim=(1, 2))
    valid_mask = torch.ones(SIDE, SIDE, dtype=torch.bool)
    valid_mask[3, 5] = False
    pred, made = exact(network, target), make_loss(loss, "circular", word, *TRUE_IS_ZERO.get(loss, []))
    assert made(pred, target._replace(intensity=hot))["total"] > 1e-3
    made.attach(Measurement(illumination(), 1.0, valid_mask))
    assert made(pred, target._replace(intensity=hot))["total"].item() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("loss", "word"), LABEL_FREE)
def test_a_partly_coherent_beam_is_predicted_as_it_was_simulated(loss, word):
    network = represented("circular")
    amplitude, angle = random_patches()
    blended = blend_with_mean(torch.polar(amplitude, angle), 0.7)
    target = network.target(amplitude, angle, diffraction_intensity(illumination(), blended))
    made = make_loss(loss, "circular", word, *TRUE_IS_ZERO.get(loss, []))
    assert made(exact(network, target), target)["total"] > 1e-3
    made.attach(Measurement(illumination(), 0.7, None))
    assert made(exact(network, target), target)["total"].item() == pytest.approx(0, abs=1e-4)


def test_the_objects_gradient_points_the_right_way_whatever_the_sign_of_a_linear_amplitude():
    network = represented("radians", "linear")
    for start in (-0.5, 0.0, 0.5):
        raw = torch.full((1, 1, 4, 4), start, dtype=torch.float64, requires_grad=True)
        angle = torch.full((1, 1, 4, 4), 0.3, dtype=torch.float64)
        obj = lambda amplitude, angle=angle: exact(network, Target(amplitude, angle)).obj_patch()  # noqa: E731
        assert torch.autograd.gradcheck(obj, raw)
