"""Patches to metrics in one call, under every protocol of conf/metrics."""

import math
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from ptycho_bench.evaluation.evaluate import Images, MetricProtocol, evaluate
from ptycho_bench.network.scaling import Scaling

CONF = Path(__file__).parents[2] / "conf" / "metrics"
NAMES = {f"{image}_{m}" for image in ("amplitude", "phase", "phase_aligned") for m in ("mse", "mae", "psnr_db", "ssim")}
NAMES |= {"phase_wrapped_mae_rad", "phase_aligned_wrapped_mae_rad"}


def protocol(name, **changes):
    settings = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml")) | changes
    settings.pop("_target_")
    return MetricProtocol(**settings)


@pytest.fixture
def score(tiny_scan):
    """Evaluates changed labels against the labels of the tiny scan."""
    truth = Images(torch.from_numpy(tiny_scan.amplitude), torch.from_numpy(tiny_scan.phase))
    scaling = Scaling.of(tiny_scan, slice(None))

    def call(name, change=lambda truth: truth, *, target=truth, circular=False, **settings):
        positions = torch.from_numpy(tiny_scan.positions_px)
        chosen = protocol(name, **settings)
        return evaluate(change(target), target, positions, scaling=scaling, protocol=chosen, circular=circular)

    return call


def noisy(truth):
    generator = torch.Generator().manual_seed(0)
    return Images(*(image + 0.02 * torch.randn(image.shape, generator=generator) for image in truth))


CENTRAL = {"stitch_weight": "central", "central_px": 12}


@pytest.mark.parametrize("settings", [{}, CENTRAL], ids=["radial", "central"])
@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_a_perfect_prediction_is_perfect(score, name, settings):
    evaluation = score(name, **settings)
    for found in (evaluation.stitched, evaluation.summary()["patch_mean"]):
        assert set(found) == NAMES
        for metric, value in found.items():
            best = math.inf if metric.endswith("_psnr_db") else float(metric.endswith("_ssim"))
            assert value == pytest.approx(best, abs=1e-6), metric
    assert all(values.shape == (121,) for values in evaluation.patches.values())


def test_a_perfect_prediction_is_perfect_when_phases_are_averaged_on_the_circle(score):
    assert score("ppn", circular=True).stitched["phase_psnr_db"] == math.inf


def test_the_field_is_the_object_between_the_outermost_centres(score, tiny_scan):
    evaluation = score("ppn")
    top, left = tiny_scan.positions_px.min(axis=0).astype(int)
    rows, columns = evaluation.field.amplitude.shape
    truth = abs(torch.from_numpy(tiny_scan.obj))[top + 8 : top + 8 + rows, left + 8 : left + 8 + columns]
    assert min(rows, columns) >= 96 - 16 - 4
    assert evaluation.covered.all()
    torch.testing.assert_close(evaluation.truth.amplitude, truth)
    torch.testing.assert_close(evaluation.field.amplitude, truth)


def test_the_summary_is_mean_and_spread_over_patches(score):
    evaluation = score("ppn", noisy)
    summary, values = evaluation.summary(), evaluation.patches["phase_psnr_db"].double()
    assert summary["patch_mean"]["phase_psnr_db"] == pytest.approx(values.mean().item())
    assert summary["patch_std"]["phase_psnr_db"] == pytest.approx(values.std(correction=0).item())
    assert set(summary["patch_skipped"].values()) == {0}
    assert summary["stitched"]["phase_psnr_db"] > values.mean()


def test_flat_patches_have_no_psnr_under_cpr_and_are_counted(score, tiny_scan):
    amplitude = torch.rand(121, 16, 16)
    amplitude[:7] = 1.0
    target = Images(amplitude, torch.from_numpy(tiny_scan.phase))
    summary = score("cpr", noisy, target=target).summary()
    assert summary["patch_skipped"]["amplitude_psnr_db"] == summary["patch_skipped"]["amplitude_ssim"] == 7
    assert summary["patch_skipped"]["amplitude_mse"] == summary["patch_skipped"]["phase_psnr_db"] == 0
    assert set(score("ppn", noisy, target=target).summary()["patch_skipped"].values()) == {0}


def test_an_amplitude_flat_but_for_rounding_is_flat(score):
    phase = torch.linspace(-3, 3, 121 * 256).reshape(121, 16, 16)
    rounded = torch.polar(torch.ones_like(phase), phase).abs()
    assert (rounded != 1).any()
    rounded[0] = torch.rand(16, 16)
    summary = score("cpr", noisy, target=Images(rounded, phase)).summary()
    assert summary["patch_skipped"]["amplitude_psnr_db"] == 120


def test_cpr_takes_each_targets_own_range(score):
    unit, own = score("ppn", noisy), score("cpr", noisy)
    assert unit.stitched["phase_mse"] == own.stitched["phase_mse"]
    assert (own.patches["phase_psnr_db"] <= unit.patches["phase_psnr_db"] + 1e-4).all()
    assert own.patches["phase_psnr_db"].mean() < unit.patches["phase_psnr_db"].mean() - 0.1


def test_a_constant_phase_changes_the_phase_metrics_but_not_the_aligned_ones(score):
    plain = score("ppn", noisy)
    turned = score("ppn", lambda truth: Images(noisy(truth).amplitude, noisy(truth).phase + 0.4))
    for name in NAMES:
        same = turned.stitched[name] == pytest.approx(plain.stitched[name], rel=1e-3)
        assert same == (name.startswith(("amplitude", "phase_aligned"))), name
    mean = turned.patches["phase_wrapped_mae_rad"].mean().item()
    assert mean == pytest.approx(0.4, abs=0.01)


def test_a_prediction_that_is_not_finite_is_refused_instead_of_skipped(score):
    def diverged(truth):
        amplitude = truth.amplitude.clone()
        amplitude[0] = torch.nan
        return Images(amplitude, truth.phase)

    with pytest.raises(ValueError, match=r"NaN or infinite"):
        score("ppn", diverged)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_range": "max"}, "data_range must be unit or target, got 'max'"),
        ({"ssim_window": "hann"}, "ssim_window must be gaussian or uniform, got 'hann'"),
        ({"stitch_weight": "mean"}, "stitch_weight must be radial or central, got 'mean'"),
        ({"stitch_weight": "central", "central_px": None}, "central_px must be set"),
    ],
)
def test_unknown_names_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        protocol("ppn", **changes)
