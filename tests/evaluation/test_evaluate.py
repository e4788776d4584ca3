"""Metrics of patches and of the stitched field under every protocol of conf/metrics."""

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
    """Return a function that evaluates changed labels of the tiny scan against its labels."""
    truth = Images(torch.from_numpy(tiny_scan.amplitude), torch.from_numpy(tiny_scan.phase))
    scaling = Scaling.of(tiny_scan, slice(None))

    def call(name, change=lambda truth: truth, *, target=truth, circular=False, **settings):
        positions = torch.from_numpy(tiny_scan.positions_px)
        return evaluate(
            change(target), target, positions, scaling=scaling, protocol=protocol(name, **settings), circular=circular
        )

    return call


def noisy(truth):
    generator = torch.Generator().manual_seed(0)
    return Images(*(image + 0.02 * torch.randn(image.shape, generator=generator) for image in truth))


CENTRAL = {"stitch_weight": "central", "central_px": 12}


@pytest.mark.parametrize("settings", [{}, CENTRAL], ids=["radial", "central"])
@pytest.mark.parametrize("name", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_a_perfect_prediction_has_the_best_value_of_every_metric(score, name, settings):
    evaluation = score(name, **settings)
    for values in (evaluation.stitched, evaluation.aggregate()["patch_mean"]):
        assert set(values) == NAMES
        for metric, value in values.items():
            best = math.inf if metric.endswith("_psnr_db") else float(metric.endswith("_ssim"))
            assert value == pytest.approx(best, abs=1e-6), metric
    assert all(values.shape == (121,) for values in evaluation.patches.values())


def test_a_perfect_prediction_has_infinite_psnr_if_phases_are_averaged_on_the_circle(score):
    assert score("ppn", circular=True).stitched["phase_psnr_db"] == math.inf


def test_the_field_is_the_object_between_the_outermost_patch_centres(score, tiny_scan):
    evaluation = score("ppn")
    top, left = tiny_scan.positions_px.min(axis=0).astype(int)
    rows, columns = evaluation.field.amplitude.shape
    truth = abs(torch.from_numpy(tiny_scan.obj))[top + 8 : top + 8 + rows, left + 8 : left + 8 + columns]
    assert min(rows, columns) >= 96 - 16 - 4
    assert evaluation.covered.all()
    torch.testing.assert_close(evaluation.truth.amplitude, truth)
    torch.testing.assert_close(evaluation.field.amplitude, truth)


def test_the_aggregate_is_the_mean_and_standard_deviation_over_patches(score):
    evaluation = score("ppn", noisy)
    aggregate, values = evaluation.aggregate(), evaluation.patches["phase_psnr_db"].double()
    assert aggregate["patch_mean"]["phase_psnr_db"] == pytest.approx(values.mean().item())
    assert aggregate["patch_std"]["phase_psnr_db"] == pytest.approx(values.std(correction=0).item())
    assert set(aggregate["patch_skipped"].values()) == {0}
    assert aggregate["stitched"]["phase_psnr_db"] > values.mean()


def test_flat_patches_have_no_psnr_under_cpr_and_are_counted(score, tiny_scan):
    amplitude = torch.rand(121, 16, 16, generator=torch.Generator().manual_seed(1))
    amplitude[:7] = 1.0
    target = Images(amplitude, torch.from_numpy(tiny_scan.phase))
    skipped = score("cpr", noisy, target=target).aggregate()["patch_skipped"]
    assert skipped["amplitude_psnr_db"] == skipped["amplitude_ssim"] == 7
    assert skipped["amplitude_mse"] == skipped["phase_psnr_db"] == 0
    assert set(score("ppn", noisy, target=target).aggregate()["patch_skipped"].values()) == {0}


def test_an_amplitude_that_varies_only_by_rounding_is_flat(score):
    phase = torch.linspace(-3, 3, 121 * 256).reshape(121, 16, 16)
    rounded = torch.polar(torch.ones_like(phase), phase).abs()
    assert (rounded != 1).any()
    rounded[0] = torch.rand(16, 16, generator=torch.Generator().manual_seed(1))
    aggregate = score("cpr", noisy, target=Images(rounded, phase)).aggregate()
    assert aggregate["patch_skipped"]["amplitude_psnr_db"] == 120


def test_cpr_uses_the_range_of_each_target(score):
    unit, own = score("ppn", noisy), score("cpr", noisy)
    assert unit.stitched["phase_mse"] == own.stitched["phase_mse"]
    assert (own.patches["phase_psnr_db"] <= unit.patches["phase_psnr_db"] + 1e-4).all()
    assert own.patches["phase_psnr_db"].mean() < unit.patches["phase_psnr_db"].mean() - 0.1


def test_a_constant_phase_changes_the_phase_metrics_but_not_the_aligned_ones(score):
    without_offset = score("ppn", noisy)
    with_offset = score("ppn", lambda truth: Images(noisy(truth).amplitude, noisy(truth).phase + 0.4))
    for name in NAMES:
        equal = with_offset.stitched[name] == pytest.approx(without_offset.stitched[name], rel=1e-3)
        assert equal == (name.startswith(("amplitude", "phase_aligned"))), name
    mean = with_offset.patches["phase_wrapped_mae_rad"].mean().item()
    assert mean == pytest.approx(0.4, abs=0.01)


def test_a_prediction_that_is_not_finite_is_rejected_rather_than_skipped(score):
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
def test_unknown_choices_are_rejected(changes, message):
    with pytest.raises(ValueError, match=message):
        protocol("ppn", **changes)
