"""Metrics of patches and of the stitched field under every protocol of conf/metrics."""

import math

import pytest
import torch

from ptycho_bench.config.build import build
from ptycho_bench.evaluation.evaluate import evaluate, pooled
from ptycho_bench.evaluation.images import Images
from ptycho_bench.evaluation.protocol import MetricProtocol
from ptycho_bench.evaluation.stitch import Stitching, scored_rectangle, scored_window
from ptycho_bench.network.scaling import Scaling
from tests.conftest import option, options

NAMES = {f"{image}_{m}" for image in ("amplitude", "phase", "phase_aligned") for m in ("mse", "mae", "psnr_db", "ssim")}
NAMES |= {"phase_wrapped_mae_rad", "phase_aligned_wrapped_mae_rad"}
BANDS = {f"{image}_band_{band}" for image in ("amplitude", "phase") for band in ("low", "middle", "high")}
RADIAL = Stitching(weight="radial", central_px=None, synchronised=False, step_px=None)


def protocol(name, **changes) -> MetricProtocol:
    return build(option("metrics", name) | changes)


@pytest.fixture
def score(tiny_scan):
    """Return a function that evaluates changed labels of the tiny scan against its labels."""
    labels = Images(torch.from_numpy(tiny_scan.amplitude), torch.from_numpy(tiny_scan.phase))
    training = Scaling.of(tiny_scan, slice(None))
    true_positions = torch.from_numpy(tiny_scan.positions_px)

    def call(name, change=lambda truth: truth, *, target=labels, circular=False, scaling=training, misfit=None,
             stitching=RADIAL, **settings):  # fmt: skip
        positions = stitching.places(true_positions, torch.from_numpy(tiny_scan.scan_index))
        pred = change(target)
        stitched = stitching.stitch_prediction(pred, positions, circular=circular)
        truth = stitching.stitch_truth(target, positions, circular=circular)
        window = scored_window(positions, 16, 11, None)
        return evaluate(
            pred, target, stitched, truth, window, scaling=scaling, protocol=protocol(name, **settings), misfit=misfit
        )

    return call


def noisy(truth):
    generator = torch.Generator().manual_seed(0)
    return Images(*(image + 0.02 * torch.randn(image.shape, generator=generator) for image in truth))


def constant(truth):
    """Predict one amplitude and one phase for all patches."""
    return Images(*(image.mean().expand_as(image) for image in truth))


CENTRAL = Stitching(weight="central", central_px=12, synchronised=False, step_px=None)


@pytest.mark.parametrize("stitching", [RADIAL, CENTRAL], ids=["radial", "central"])
@pytest.mark.parametrize("name", options("metrics"))
def test_a_perfect_prediction_has_the_best_value_of_every_metric(score, name, stitching):
    evaluation = score(name, stitching=stitching)
    flattened = {"amplitude_ssim_flattened", "phase_ssim_flattened"} if name == "ppn_released" else set()
    assert set(evaluation.stitched) == NAMES | BANDS | {"frc_resolution_px"} | flattened
    for values in (evaluation.stitched, evaluation.aggregate()["patch_mean"]):
        for metric in (NAMES | flattened) & set(values):
            best = math.inf if metric.endswith("_psnr_db") else float("_ssim" in metric)
            assert values[metric] == pytest.approx(best, abs=1e-6), metric
    assert evaluation.stitched["frc_resolution_px"] == 2
    assert {name: evaluation.stitched[name] for name in BANDS} == evaluation.score.truth
    assert all(values.shape == (121,) for values in evaluation.patches.values())
    assert set(evaluation.patches) == NAMES


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
    values = evaluation.patches["phase_psnr_db"].double()
    skipped, aggregate, values = values.isnan().sum(), evaluation.aggregate(), values[~values.isnan()]
    assert aggregate["patch_mean"]["phase_psnr_db"] == pytest.approx(values.mean().item())
    assert aggregate["patch_std"]["phase_psnr_db"] == pytest.approx(values.std(correction=0).item())
    assert aggregate["patch_skipped"]["phase_psnr_db"] == skipped and aggregate["patch_skipped"]["phase_ssim"] == 0
    assert aggregate["stitched"]["phase_psnr_db"] > values.mean()


def test_flat_patches_have_no_psnr_and_are_counted(score, tiny_scan):
    amplitude = torch.rand(121, 16, 16, generator=torch.Generator().manual_seed(1))
    amplitude[:7] = 1.0
    target = Images(amplitude, torch.from_numpy(tiny_scan.phase))
    skipped = score("cpr", noisy, target=target).aggregate()["patch_skipped"]
    assert skipped["amplitude_psnr_db"] == skipped["amplitude_ssim"] == 7
    assert skipped["amplitude_mse"] == skipped["phase_psnr_db"] == 0
    skipped = score("ppn", noisy, target=target).aggregate()["patch_skipped"]  # a range of 1 leaves SSIM its meaning
    assert skipped["amplitude_psnr_db"] == 7 and skipped["amplitude_ssim"] == skipped["amplitude_mse"] == 0


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

    with pytest.raises(ValueError, match=r"1 of 121 predicted patches contain NaN or infinite"):
        score("ppn", diverged)


def test_a_constant_prediction_scores_like_the_constant_guess_and_has_learned_nothing(score):
    field = score("ppn").truth
    evaluation = score("ppn", lambda truth: Images(*(m.mean().expand_as(t) for m, t in zip(field, truth, strict=True))))
    aggregate = evaluation.aggregate()
    for name, value in aggregate["constant"]["stitched"].items():
        assert aggregate["stitched"][name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert aggregate["not_learned"] == ["amplitude", "phase"]
    assert score("ppn", noisy).aggregate()["not_learned"] == []


def test_the_constant_guess_of_a_patch_is_its_own_mean(score, tiny_scan):
    aggregate = score("ppn", noisy).aggregate()
    scaled = Scaling.of(tiny_scan, slice(None)).scale_amplitude(torch.from_numpy(tiny_scan.amplitude))
    expected = scaled.var(dim=(1, 2), correction=0).mean().item()
    assert aggregate["constant"]["patch_mean"]["amplitude_mse"] == pytest.approx(expected, rel=1e-4)
    assert set(aggregate["constant"]["patch_mean"]) == NAMES


def test_a_quantity_that_is_worse_than_a_constant_is_named(score):
    wrong = score("ppn", lambda truth: Images(noisy(truth).amplitude, -truth.phase))
    assert wrong.aggregate()["not_learned"] == ["phase"]


def test_another_scan_is_scaled_by_the_range_of_its_own_scored_field(score):
    trained, own = score("ppn", noisy), score("ppn", noisy, scaling=None)
    assert trained.aggregate()["scaled_by"] == "training"
    assert own.aggregate()["scaled_by"] == "scored field"
    span = (own.truth.phase.max() - own.truth.phase.min()).item()
    field, truth = own.field.phase.double(), own.truth.phase.double()
    expected = 10 * math.log10(span**2 / (field - truth).square().mean())
    assert own.stitched["phase_psnr_db"] == pytest.approx(expected, rel=1e-4)
    wide = Scaling(
        amplitude_low=0.0, amplitude_high=9.0, phase_low=-9.0, phase_high=9.0, intensity_max=1.0, intensity_p995=1.0
    )
    flattered = score("ppn", constant, scaling=wide).stitched["phase_psnr_db"]
    assert flattered > score("ppn", constant, scaling=None).stitched["phase_psnr_db"] + 20


def test_the_interval_contains_the_score(score):
    aggregate = score("cpr", noisy).aggregate()
    intervals = aggregate["interval"]["stitched"]
    assert set(intervals) == NAMES - {"phase_wrapped_mae_rad", "phase_aligned_wrapped_mae_rad"}
    for name, (low, high) in intervals.items():
        assert low < aggregate["stitched"][name] < high, name


def test_the_misfit_is_that_of_the_whole_field_and_of_a_constant_object(score):
    objects = []
    evaluation = score("ppn", noisy, misfit=lambda obj: objects.append(obj) or float(len(objects)))
    assert evaluation.stitched["diffraction_misfit"] == 1
    assert evaluation.score.constant["diffraction_misfit"] == 2
    whole, guess = objects
    window = scored_rectangle(tuple(whole.shape), 16, 11)
    torch.testing.assert_close(whole[window].abs(), evaluation.field.amplitude)
    torch.testing.assert_close(whole[window].angle(), evaluation.field.phase)
    assert guess.shape == whole.shape and (guess == guess[0, 0]).all()
    assert guess[0, 0].abs().item() == pytest.approx(evaluation.truth.amplitude.mean().item(), rel=1e-5)
    assert "diffraction_misfit" not in score("ppn", noisy).stitched


def test_a_raster_in_place_of_the_positions_moves_truth_and_prediction_alike(score, tiny_scan):
    raster = Stitching(weight="radial", central_px=None, synchronised=False, step_px=9)
    evaluation = score("ppn", stitching=raster)
    assert evaluation.stitched["phase_mse"] == 0
    assert evaluation.field.phase.shape == (9 * 10 + 16 - 16,) * 2
    assert not torch.equal(evaluation.truth.amplitude, score("ppn").truth.amplitude)


def test_pooled_scores_are_means_over_scans_and_over_all_patches(score):
    one, other = score("ppn", noisy), score("ppn", constant)
    both = pooled([one, other]).aggregate()
    stitched = [result.stitched["phase_mse"] for result in (one, other)]
    assert both["stitched"]["phase_mse"] == pytest.approx(sum(stitched) / 2)
    assert both["truth"] == pytest.approx(one.score.truth)
    means = [result.aggregate()["patch_mean"]["phase_mse"] for result in (one, other)]
    assert both["patch_mean"]["phase_mse"] == pytest.approx(sum(means) / 2)
    low, high = both["interval"]["stitched"]["phase_mse"]
    assert low < both["stitched"]["phase_mse"] < high
    singles = [result.aggregate()["interval"]["stitched"]["phase_mse"] for result in (one, other)]
    assert high - low < sum(end - start for start, end in singles) / 2


def test_only_metrics_that_every_scan_has_are_pooled(score):
    one, other = score("ppn", noisy, misfit=lambda obj: 0.5), score("ppn", noisy)
    assert "diffraction_misfit" not in pooled([one, other]).aggregate()["stitched"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_range": "max"}, "data_range must be unit or target, got 'max'"),
        ({"ssim_window": "hann"}, "ssim_window must be gaussian or uniform, got 'hann'"),
        ({"spectrum": "square"}, "spectrum must be diagonal or radial, got 'square'"),
    ],
)
def test_unknown_choices_are_rejected(changes, message):
    with pytest.raises(ValueError, match=message):
        protocol("ppn", **changes)
