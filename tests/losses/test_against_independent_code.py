"""Each loss compared with NumPy, scikit-image and torch.distributions."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch.distributions import Poisson

from ptycho_bench.data.scan import Measurement
from tests.losses.conftest import exact, illumination, make_loss, pattern, random_patches, represented

PHASES = ["scaled", "radians", "circular"]


def prediction_and_target(phase, raw):
    network = represented(phase)
    amplitude, angle = random_patches()
    pred = network.activate(*(part.detach() for part in raw(network.phase.channels)))
    return pred, network.target(amplitude, angle, pattern(amplitude, angle).round())


def images(tensor):
    return tensor.double().numpy().reshape(-1, *tensor.shape[-2:])


def values_of(terms):
    return {name: value.item() for name, value in terms.items() if name != "total"}


def heads(pred, target):
    return {
        "amplitude": (images(pred.amplitude), images(target.amplitude)),
        "phase": (images(pred.phase), images(target.phase)),
    }


def ssim(pred, target, data_range):
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": data_range}
    return np.mean([structural_similarity(p, t, **settings) for p, t in zip(pred, target, strict=True)])


def huber(error, delta):
    return np.where(np.abs(error) <= delta, error**2 / 2, delta * (np.abs(error) - delta / 2)).mean()


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    ("loss", "words", "distance"),
    [
        ("mse", [], lambda p, t: ((p - t) ** 2).mean()),
        ("mae", [], lambda p, t: np.abs(p - t).mean()),
        ("huber", ["loss.delta=0.2"], lambda p, t: huber(p - t, 0.2)),
        (
            "npcc",
            [],
            lambda p, t: 1 - np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(p, t, strict=True)]),
        ),
    ],
)
def test_a_distance_is_computed_for_amplitude_and_phase(loss, words, distance, phase, raw):
    pred, target = prediction_and_target(phase, raw)
    expected = {f"{head}_{loss}": distance(*pair) for head, pair in heads(pred, target).items()}
    assert values_of(make_loss(loss, phase, *words)(pred, target)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("phase", PHASES)
def test_the_weighted_loss_is_the_mse_and_the_ssim_of_scikit_image(alpha, phase, raw):
    pred, target = prediction_and_target(phase, raw)
    ranges = {"amplitude": 1.0, "phase": {"scaled": 1.0, "radians": 2 * math.pi, "circular": 2.0}[phase]}
    expected = {}
    for head, (p, t) in heads(pred, target).items():
        expected[f"{head}_mse"] = alpha * ((p - t) ** 2).mean()
        expected[f"{head}_nssim"] = (1 - alpha) * (1 - ssim(p, t, ranges[head]))
    terms = values_of(make_loss("weighted", phase, f"loss.alpha={alpha}")(pred, target))
    assert terms == pytest.approx(expected, abs=1e-5)
    if alpha == 0:
        nssim = values_of(make_loss("nssim", phase)(pred, target))
        assert nssim == pytest.approx({k: v for k, v in expected.items() if "nssim" in k}, abs=1e-5)


def predicted_pattern(pred):
    """Compute |F(P O)|^2, summed over modes, in NumPy."""
    amplitude, phase = (part.double().numpy() for part in pred.decode(pred.amplitude, pred.phase))
    waves = illumination().numpy()[None] * (amplitude * np.exp(1j * phase))[:, None]
    shifted = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(waves, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))
    return (np.abs(shifted) ** 2).sum(axis=1)


@pytest.mark.parametrize("phase", PHASES)
def test_reciprocal_nssim_compares_the_measured_with_the_predicted_pattern(phase, raw):
    pred, target = prediction_and_target(phase, raw)
    measured = target.intensity.double().numpy()
    expected = 1 - np.mean(
        [ssim(p[None], m[None], m.max()) for p, m in zip(predicted_pattern(pred), measured, strict=True)]
    )
    terms = values_of(make_loss("nssim", phase, "loss.domain=reciprocal")(pred, target))
    assert terms == pytest.approx({"diffraction_nssim": expected}, abs=1e-5)


def padded_ssim(pred, target):
    return ssim(*(np.pad(stack, ((0, 0), (5, 5), (5, 5))) for stack in (pred, target)), 1.0)


def gradient(pred, target):
    differences = [np.abs(np.diff(pred, axis=axis) - np.diff(target, axis=axis)).mean() for axis in (1, 2)]
    return sum(differences) / 2


def test_the_geodesic_loss_is_the_composite_of_the_circular_phase_paper(raw):
    pred, target = prediction_and_target("circular", raw)
    (amplitude, true_amplitude), (phase, true_phase) = heads(pred, target).values()
    error = np.arctan2(phase[1::2], phase[::2]) - np.arctan2(true_phase[1::2], true_phase[::2])
    unprojected = images(pred.unprojected)
    expected = {
        "amplitude_mse": ((amplitude - true_amplitude) ** 2).mean(),
        "amplitude_gradient": 0.12 * gradient(amplitude, true_amplitude),
        "amplitude_nssim": 0.1 * (1 - padded_ssim(amplitude, true_amplitude)),
        "phase_mse": 1.3 * 2 * ((phase - true_phase) ** 2).mean(),
        "phase_gradient": 1.3 * 0.12 * 2 * gradient(phase, true_phase),
        "phase_nssim": 1.3 * 0.1 * (1 - padded_ssim(phase, true_phase)),
        "phase_circular": 1.3 * 0.6 * (1 - np.cos(error)).mean(),
        "consistency": 0.1 * ((unprojected[::2] ** 2 + unprojected[1::2] ** 2 - 1) ** 2).mean(),
    }
    assert values_of(make_loss("geodesic", "circular")(pred, target)) == pytest.approx(expected, abs=1e-5)


MSE_ONLY = ["loss.gradient=0", "loss.ssim=0", "loss.circular=0", "loss.consistency=0"]
ABLATIONS = {
    "w/o Circ. Loss": (["loss.circular=0"], {"phase_circular"}),
    "w/o Consist. Loss": (["loss.consistency=0"], {"consistency"}),
    "w/o SSIM Loss": (["loss.ssim=0"], {"amplitude_nssim", "phase_nssim"}),
    "w/o Grad. Loss": (["loss.gradient=0"], {"amplitude_gradient", "phase_gradient"}),
}


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_each_ablation_omits_its_terms_and_changes_no_other(ablation, raw):
    words, omitted = ABLATIONS[ablation]
    pred, target = prediction_and_target("circular", raw)
    complete = values_of(make_loss("geodesic", "circular")(pred, target))
    ablated = values_of(make_loss("geodesic", "circular", *words)(pred, target))
    assert ablated == pytest.approx({name: value for name, value in complete.items() if name not in omitted})


@pytest.mark.parametrize("base", ["mse", "mae"])
def test_the_single_term_ablations_are_the_base_term(base, raw):
    pred, target = prediction_and_target("circular", raw)
    terms = values_of(make_loss("geodesic", "circular", *MSE_ONLY, f"loss.base={base}")(pred, target))
    pixel = values_of(make_loss(base, "circular")(pred, target))
    expected = {f"amplitude_{base}": pixel[f"amplitude_{base}"], f"phase_{base}": 2.6 * pixel[f"phase_{base}"]}
    assert terms == pytest.approx(expected)


def test_the_circular_distance_ignores_whole_turns_and_a_scalar_distance_does_not():
    amplitude = torch.full((1, 16, 16), 0.5)
    angles = [torch.full((1, 16, 16), angle) for angle in (math.pi - 1e-3, 1e-3 - math.pi)]
    total = {}
    for loss, phase in (("geodesic", "circular"), ("mse", "radians")):
        network = represented(phase)
        first, second = (network.target(amplitude, angle, None) for angle in angles)
        total[phase] = make_loss(loss, phase)(exact(network, first), second)["total"]
    assert total["circular"] < 1e-2
    assert total["radians"] > 30


def empty_beam():
    return (np.abs(np.fft.fft2(illumination().numpy(), norm="ortho")) ** 2).sum(axis=0)


def poisson_deviance(measured, predicted):
    best = Poisson(torch.from_numpy(measured) + 1e-12).log_prob(torch.from_numpy(measured))
    return (best - Poisson(torch.from_numpy(predicted)).log_prob(torch.from_numpy(measured))).numpy()


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    ("misfit", "by_pixel"),
    [
        ("amplitude", lambda i, m: (np.sqrt(i) - np.sqrt(m)) ** 2),
        ("poisson", poisson_deviance),
        ("intensity", lambda i, m: (i - m) ** 2 * empty_beam().sum() / (empty_beam() ** 2).sum()),
    ],
)
def test_the_diffraction_misfits_equal_their_formulas(misfit, by_pixel, phase, raw):
    pred, target = prediction_and_target(phase, raw)
    predicted, measured = predicted_pattern(pred), target.intensity.double().numpy()
    expected = by_pixel(measured, predicted).sum(axis=(1, 2)).mean() / 1e4
    terms = values_of(make_loss("diffraction", phase, f"loss.misfit={misfit}", "loss.smoothness=0")(pred, target))
    assert terms == pytest.approx({"diffraction_misfit": expected}, rel=1e-3)


def test_both_regularisers_of_the_diffraction_loss_equal_their_formulas(raw):
    pred, target = prediction_and_target("circular", raw)
    words = ("loss.refine_probe=true", "loss.smoothness=0.5", "loss.probe_change=2")
    loss = make_loss("diffraction", "circular", *words)
    obj = pred.obj_patch().numpy()
    variation = np.abs(np.diff(obj, axis=1)).mean() + np.abs(np.diff(obj, axis=2)).mean()
    assert loss(pred, target)["smoothness"].item() == pytest.approx(0.5 * variation, rel=1e-5)
    assert loss(pred, target)["probe_change"] == 0
    with torch.no_grad():
        loss.correction += 0.1 * torch.randn(loss.correction.shape, generator=torch.Generator().manual_seed(4))
    change = (loss.refined_probe() - illumination()).abs().square().sum() / illumination().abs().square().sum()
    assert loss(pred, target)["probe_change"].item() == pytest.approx(2 * change.item(), rel=1e-4)


def test_a_refined_probe_approaches_the_true_probe():
    network = represented("circular")
    amplitude, angle = random_patches(8)
    target = network.target(amplitude, angle, pattern(amplitude, angle))
    pred = exact(network, target)
    loss = make_loss("diffraction", "circular", "loss.refine_probe=true", "loss.probe_change=0", "loss.smoothness=0")
    wrong_probe = illumination() + 0.3 * illumination().abs().square().mean().sqrt() * torch.randn(
        2, 16, 16, dtype=torch.cfloat, generator=torch.Generator().manual_seed(3)
    )
    loss.attach(Measurement(wrong_probe, 1.0, None))
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.02)
    first = loss(pred, target)["total"].item()
    for _ in range(60):
        optimizer.zero_grad()
        loss(pred, target)["total"].backward()
        optimizer.step()
    assert loss(pred, target)["total"].item() < 0.05 * first
