"""Properties of every loss of conf/loss with every representation that it accepts."""

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

REJECTED = [("geodesic", phase) for phase in options("phase") if not represented(phase).phase.circular]
PAIRS = [(loss, phase) for loss in options("loss") for phase in options("phase") if (loss, phase) not in REJECTED]
pairs = pytest.mark.parametrize(("loss", "phase"), PAIRS)
ZERO_FOR_THE_TRUTH = {"diffraction": ["loss.smoothness=0"]}
RECIPROCAL = {"nssim": "loss.domain=reciprocal", "weighted": "loss.domain=reciprocal"}


def truth(network, amplitude, phase):
    return network.target(amplitude, phase, pattern(amplitude, phase))


@pairs
def test_terms_sum_to_the_total_and_are_positive(loss, phase, raw):
    network, criterion = represented(phase), make_loss(loss, phase)
    target = truth(network, *random_patches())
    terms = criterion(network.activate(*raw(network.phase.channels)), target)
    torch.testing.assert_close(terms["total"], sum(value for name, value in terms.items() if name != "total"))
    assert all(value > 0 for value in terms.values())


@pairs
def test_the_loss_of_the_truth_is_zero(loss, phase):
    network, criterion = represented(phase), make_loss(loss, phase, *ZERO_FOR_THE_TRUTH.get(loss, []))
    target = truth(network, *random_patches())
    assert criterion(exact(network, target), target)["total"].item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("loss", RECIPROCAL)
@pytest.mark.parametrize("amplitude", options("amplitude"))
@pytest.mark.parametrize("phase", options("phase"))
def test_the_loss_of_the_truth_is_zero_in_reciprocal_space(loss, phase, amplitude):
    network = represented(phase, amplitude)
    target = truth(network, *random_patches())
    criterion = make_loss(loss, phase, RECIPROCAL[loss], amplitude=amplitude)
    assert criterion(exact(network, target), target)["total"].item() == pytest.approx(0, abs=1e-4)


@pairs
def test_a_step_against_the_gradient_lowers_the_loss(loss, phase, raw):
    network, criterion = represented(phase), make_loss(loss, phase)
    target, outputs = truth(network, *random_patches()), raw(network.phase.channels)
    before = criterion(network.activate(*outputs), target)["total"]
    gradients = torch.autograd.grad(before, outputs)
    step = 1e-3 / max(gradient.abs().max() for gradient in gradients)
    moved = [part - step * gradient for part, gradient in zip(outputs, gradients, strict=True)]
    assert criterion(network.activate(*moved), target)["total"] < before


# constant images: (amplitude, phase)
EDGES = {"dark": (0.0, 0.0), "below the branch cut": (0.5, math.pi), "above it": (1.0, -math.pi)}
OTHER_FORMS = {**RECIPROCAL, "diffraction": "loss.misfit=poisson"}


FORMS = [(loss, phase, None) for loss, phase in PAIRS]
FORMS += [(loss, phase, word) for loss, word in OTHER_FORMS.items() for phase in options("phase")]


@pytest.mark.parametrize(("loss", "phase", "word"), FORMS)
def test_gradients_are_finite_for_constant_images_at_the_ends_of_their_range(loss, phase, word):
    network, criterion = represented(phase), make_loss(loss, phase, *([word] if word else []))
    for (amplitude, angle), start in itertools.product(EDGES.values(), (0.0, 20.0, -20.0)):
        target = truth(network, *(torch.full((2, SIDE, SIDE), value) for value in (amplitude, angle)))
        outputs = [torch.full((2, c, SIDE, SIDE), start, requires_grad=True) for c in (1, network.phase.channels)]
        total = criterion(network.activate(*outputs), target)["total"]
        total.backward()
        assert total.isfinite()
        assert all(part.grad is None or part.grad.isfinite().all() for part in outputs)


@pytest.mark.parametrize(("loss", "phase"), REJECTED)
def test_a_circular_loss_rejects_a_phase_that_is_not_circular(loss, phase):
    with pytest.raises(ValueError, match=r"loss=geodesic compares points of the unit circle.*phase=circular"):
        make_loss(loss, phase)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("loss=huber loss.delta=0", r"delta must lie in \(0, 1e6\], got 0"),
        ("loss=weighted loss.alpha=-0.1", r"alpha must lie in \[0, 1\], got -0.1"),
        ("loss=weighted loss.alpha=90", r"alpha must lie in \[0, 1\], got 90"),
        ("loss=nssim loss.domain=fourier", "domain must be real or reciprocal, got 'fourier'"),
        ("loss=geodesic loss.base=l2", "base must be mse or mae, got 'l2'"),
        ("loss=geodesic loss.ssim=-1", r"ssim must lie in \[0, 1e12\], got -1"),
        ("loss=geodesic loss.amplitude=0 loss.phase=0", "loss.amplitude or loss.phase must be above 0"),
        ("loss=diffraction loss.misfit=gauss", "misfit must be amplitude, poisson or intensity, got 'gauss'"),
        ("loss=diffraction loss.smoothness=-1", r"smoothness must lie in \[0, 1e12\], got -1"),
    ],
)
def test_an_impossible_value_is_rejected(word, message):
    loss, *words = word.removeprefix("loss=").split()
    with pytest.raises(ValueError, match=message):
        make_loss(loss, "circular", *words)


LABEL_FREE = [("diffraction", "loss.misfit=amplitude"), ("diffraction", "loss.misfit=poisson")]
LABEL_FREE += [("diffraction", "loss.misfit=intensity"), ("nssim", "loss.domain=reciprocal")]


@pytest.mark.parametrize(("loss", "word"), LABEL_FREE)
def test_losses_between_patterns_do_not_depend_on_the_true_object(loss, word, raw):
    network = represented("radians", "constrained")
    criterion = make_loss(loss, "radians", word, amplitude="constrained")
    target = truth(network, *random_patches())
    unknown = torch.full_like(target.amplitude, torch.nan)
    outputs = raw(1)
    total = criterion(network.activate(*outputs), target._replace(amplitude=unknown, phase=unknown))["total"]
    total.backward()
    assert total.isfinite()
    assert all(part.grad.abs().max() > 0 for part in outputs)


@pytest.mark.parametrize(("loss", "word"), LABEL_FREE)
def test_masked_pixels_do_not_count(loss, word):
    network = represented("circular")
    target = truth(network, *random_patches())
    hot = target.intensity.clone()
    hot[:, 3, 5] = 2 * hot.amax(dim=(1, 2))
    valid_mask = torch.ones(SIDE, SIDE, dtype=torch.bool)
    valid_mask[3, 5] = False
    pred, criterion = exact(network, target), make_loss(loss, "circular", word, *ZERO_FOR_THE_TRUTH.get(loss, []))
    assert criterion(pred, target._replace(intensity=hot))["total"] > 1e-3
    criterion.attach(Measurement(illumination(), 1.0, valid_mask))
    assert criterion(pred, target._replace(intensity=hot))["total"].item() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("loss", "word"), LABEL_FREE)
def test_the_coherence_of_the_beam_is_part_of_the_prediction(loss, word):
    network = represented("circular")
    amplitude, angle = random_patches()
    blended = blend_with_mean(torch.polar(amplitude, angle), 0.7)
    target = network.target(amplitude, angle, diffraction_intensity(illumination(), blended))
    criterion = make_loss(loss, "circular", word, *ZERO_FOR_THE_TRUTH.get(loss, []))
    assert criterion(exact(network, target), target)["total"] > 1e-3
    criterion.attach(Measurement(illumination(), 0.7, None))
    assert criterion(exact(network, target), target)["total"].item() == pytest.approx(0, abs=1e-4)


def test_the_gradient_of_the_object_patch_is_correct_for_any_sign_of_a_linear_amplitude():
    network = represented("radians", "linear")
    for start in (-0.5, 0.0, 0.5):
        raw = torch.full((1, 1, 4, 4), start, dtype=torch.float64, requires_grad=True)
        angle = torch.full((1, 1, 4, 4), 0.3, dtype=torch.float64)
        obj = lambda amplitude, angle=angle: exact(network, Target(amplitude, angle)).obj_patch()  # noqa: E731
        assert torch.autograd.gradcheck(obj, raw)
