"""Scoring a network: evaluate it without a side effect, print and record the result, write and draw it."""

import csv
import dataclasses
import os

import numpy as np
import pytest
import torch

from ptycho_bench.config.build import build
from ptycho_bench.runs import score_files, timing
from ptycho_bench.runs.score import evaluate_scan, print_scored, scores_record, training_ranges
from ptycho_bench.runs.score_files import draw_scored, write_scored
from ptycho_bench.runs.timing import timing_record
from tests.conftest import option
from tests.deployment.conftest import described, network_of

POINTS = np.arange(100, 121)
PROTOCOL, STITCHING = build(option("metrics", "ppn")), build(option("stitch", "radial"))


def scored_on(network, scan, points, **changes):
    """Score a network with the ranges of its training, except for the changes."""
    options = {"name": "a", "protocol": PROTOCOL, "stitching": STITCHING, "scaling": network.scaling,
               "rectangle": None, "batch_size": 8}  # fmt: skip
    return evaluate_scan(network, scan, points, **options | changes)


class Oracle:
    """A predictor that returns the true patches in the order of all points, with random constants added to the phases.

    It has only what `evaluate_scan` may use of a network.
    """

    circular, neighbours, device = False, 0, torch.device("cpu")

    def __init__(self, scan, *, constants=0.0):
        self.scaling, self.patches = None, scan.tensors(np.arange(len(scan)))[1:]
        self.offsets = constants * torch.rand(len(scan), generator=torch.Generator().manual_seed(0))

    def predict(self, intensity, *, batch_size, neighbours=None):
        points = neighbours[:, 0]
        amplitude, phase = (image[points] for image in self.patches)
        return amplitude, phase + self.offsets[points, None, None]


@pytest.fixture(scope="module")
def network():
    """A network of random weights for patterns of 16 px, which sees their neighbours."""
    return network_of(described("model=ptychonn", "model.width=4", "input.neighbours=1"))


@pytest.fixture(scope="module")
def scored(network, tiny_scan):
    """The network's score on the last points of the tiny scan."""
    return scored_on(network, tiny_scan, POINTS)


@pytest.fixture(scope="module")
def other(network, other_scan):
    """The network's score on a single point of another scan."""
    return scored_on(network, other_scan, POINTS[:1] - 60, name="b")


def test_evaluating_writes_prints_and_draws_nothing(network, tiny_scan, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = torch.get_rng_state()
    scored_on(network, tiny_scan, POINTS[:2])
    assert os.listdir(tmp_path) == []
    assert capsys.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training


def test_a_score_is_that_of_the_network_and_does_not_depend_on_the_batch_size(network, tiny_scan, scored):
    whole = scored_on(network, tiny_scan, POINTS, batch_size=1000)
    for name, values in scored.result.patches.items():
        torch.testing.assert_close(values, whole.result.patches[name], rtol=1e-4, atol=1e-6)
    assert scored.result.stitched == pytest.approx(whole.result.stitched, rel=1e-4)


def test_a_score_names_its_points(scored, tiny_scan):
    assert scored.columns["point"].tolist() == POINTS.tolist()
    for column, values in {"scan_row": tiny_scan.scan_index[:, 0], "x_px": tiny_scan.positions_px[:, 1]}.items():
        assert scored.columns[column].tolist() == values[POINTS].tolist()
    assert scored.inference["patterns"] == len(POINTS) and scored.inference["device"] == "cpu"
    assert scored.origin == "simulated from tiny"


def test_samples_are_some_of_the_points_with_their_own_pattern_and_truth(scored, tiny_scan):
    samples = scored.samples
    assert len(samples.points) == 4 and set(samples.points) <= set(POINTS)
    for k, point in enumerate(samples.points):
        row, column = tiny_scan.scan_index[point]
        assert samples.labels[k] == f"row {row}, column {column}"
        np.testing.assert_array_equal(samples.intensity[k], tiny_scan.diffraction[point])
        np.testing.assert_array_equal(samples.truth.phase[k], tiny_scan.phase[point])


def test_the_files_of_one_scan_contain_its_values(scored, tmp_path):
    write_scored(tmp_path, [scored])
    assert sorted(os.listdir(tmp_path)) == ["field.npz", "patches.csv", "samples.npz"]
    with (tmp_path / "patches.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [int(row["point"]) for row in rows] == POINTS.tolist()
    assert "scan" not in rows[0]
    written = [float(row["phase_ssim"]) for row in rows]
    assert written == pytest.approx(scored.result.patches["phase_ssim"].tolist())
    with np.load(tmp_path / "field.npz") as field:
        assert set(field) == {"amplitude", "phase", "true_amplitude", "true_phase", "covered"}
        np.testing.assert_array_equal(field["phase"], scored.result.field.phase)
    with np.load(tmp_path / "samples.npz") as samples:
        np.testing.assert_array_equal(samples["point"], scored.samples.points)
        np.testing.assert_array_equal(samples["true_amplitude"], scored.samples.truth.amplitude)


def test_the_files_of_several_scans_are_named_after_them(scored, other, tmp_path):
    write_scored(tmp_path, [scored, other])
    arrays = {f"{what}_{name}.npz" for what in ("field", "samples") for name in "ab"}
    assert set(os.listdir(tmp_path)) == {"patches.csv", *arrays}
    with (tmp_path / "patches.csv").open() as handle:
        assert [row["scan"] for row in csv.DictReader(handle)] == ["a"] * len(POINTS) + ["b"]


def test_the_record_of_several_scans_is_taken_over_all_patches_and_over_the_fields(scored, other):
    record = scores_record(PROTOCOL, STITCHING, [scored, other])
    values = torch.cat([scored.result.patches["phase_mse"], other.result.patches["phase_mse"]])
    assert record["metrics"]["patch_mean"]["phase_mse"] == pytest.approx(values.mean().item(), rel=1e-5)
    both = [one.result.stitched["phase_mse"] for one in (scored, other)]
    assert record["metrics"]["stitched"]["phase_mse"] == pytest.approx(sum(both) / 2)
    assert record["inference"]["patterns"] == len(POINTS) + 1
    assert record["metrics"]["protocol"] == {**vars(PROTOCOL), "stitch": vars(STITCHING)}
    seconds = [one.inference["seconds"] for one in (scored, other)]
    assert record["inference"]["seconds"] == pytest.approx(sum(seconds))


def test_the_record_has_every_part_of_the_metrics(scored):
    metrics = scores_record(PROTOCOL, STITCHING, [scored])["metrics"]
    assert set(metrics) == {"protocol_version", "protocol", "patch_mean", "patch_std", "patch_skipped", "stitched",
                            "constant", "interval", "truth", "not_learned", "scaled_by"}  # fmt: skip
    assert set(metrics["constant"]) == {"patch_mean", "stitched"}
    assert set(metrics["interval"]) == {"stitched"}
    assert metrics["scaled_by"] == "training"


def test_the_misfit_is_that_of_the_stitched_object_with_the_patterns(network, tiny_scan):
    result = scored_on(network, tiny_scan, POINTS).result
    assert 0 < result.stitched["diffraction_misfit"] < 10
    assert 0 < result.score.constant["diffraction_misfit"] < 2
    bare = dataclasses.replace(tiny_scan, probe=None)
    raster = dataclasses.replace(STITCHING, step_px=9)
    for without in (scored_on(network, bare, POINTS), scored_on(network, tiny_scan, POINTS, stitching=raster)):
        assert "diffraction_misfit" not in without.result.stitched


def test_true_patches_have_no_misfit_and_learn_everything(tiny_scan):
    result = scored_on(Oracle(tiny_scan), tiny_scan, np.arange(121), scaling=None).result
    assert result.stitched["diffraction_misfit"] < 1e-3 < result.score.constant["diffraction_misfit"]
    assert result.score.not_learned() == []
    assert result.score.scaled_by == "scored field"


def test_the_protocol_decides_whose_ranges_scale_the_metrics(network, tiny_scan):
    scan = dataclasses.replace(tiny_scan, content_hash="c" * 64)
    description = {"test": [{"content_hash": "c" * 64}], "scaling": vars(network.scaling)}
    other, ranges = dataclasses.replace(scan, content_hash="d" * 64), network.scaling
    for scaled_by, own, others in (("auto", ranges, None), ("training", ranges, ranges), ("field", None, None)):
        protocol = dataclasses.replace(PROTOCOL, scaled_by=scaled_by)
        assert training_ranges(description, scan, protocol) == own
        assert training_ranges(description, other, protocol) == others


def test_only_the_named_rectangle_is_scored(network, tiny_scan):
    top, left = tiny_scan.positions_px.min(axis=0).astype(int)
    whole = scored_on(network, tiny_scan, np.arange(121)).result
    part = scored_on(network, tiny_scan, np.arange(121), rectangle=[top + 20, top + 40, left + 30, left + 70]).result
    assert part.field.phase.shape == (20, 40)
    torch.testing.assert_close(part.truth.phase, whole.truth.phase[12:32, 22:62])


def test_constants_of_the_patches_are_synchronised_before_they_are_stitched(tiny_scan):
    turned = Oracle(tiny_scan, constants=3.0)
    synchronised = dataclasses.replace(STITCHING, synchronised=True)
    plain, aligned = (
        scored_on(turned, tiny_scan, np.arange(121), scaling=None, stitching=how).result
        for how in (STITCHING, synchronised)
    )
    assert aligned.stitched["phase_aligned_mse"] < 1e-6 < plain.stitched["phase_aligned_mse"]
    torch.testing.assert_close(aligned.patches["phase_mse"], plain.patches["phase_mse"])


def test_the_first_pass_is_cold_and_ten_more_are_averaged(scored):
    assert scored.inference["repeats"] == 10
    assert {"patterns", "seconds", "cold_seconds", "repeats", "device"} == set(scored.inference)
    passes = iter(range(1, 20))
    assert timing_record(0.5, lambda: float(next(passes))) == {"seconds": 5.5, "cold_seconds": 0.5, "repeats": 10}


@pytest.mark.parametrize(("cold_seconds", "repeats"), [(1.9, 10), (4.0, 5), (15.0, 1), (600.0, 1)])
def test_slow_passes_are_repeated_less_often(cold_seconds, repeats):
    assert timing.timing_record(cold_seconds, lambda: 1.0)["repeats"] == repeats


def test_pictures_are_named_after_the_scan_if_there_are_several(other, tmp_path, monkeypatch):
    drawn = []
    for name in ("draw_field", "draw_patches"):
        monkeypatch.setattr(score_files, name, lambda path, *content: drawn.append(path))
    draw_scored(tmp_path, [other], "run")
    draw_scored(tmp_path, [other, other._replace(name="c")], "run")
    names = ["field", "patches", "field_b", "patches_b", "field_c", "patches_c"]
    assert drawn == [tmp_path / f"{name}.png" for name in names]


def test_a_table_is_printed_for_each_scan_and_for_all_together(scored, other, capsys):
    print_scored([scored], "run")
    assert "run: 21 test patches of simulated from tiny" in capsys.readouterr().out
    print_scored([scored, other], "run")
    out = capsys.readouterr().out
    for heading in ("run, a: 21 test patches", "run, b: 1 test patch", "run: 22 test patches of 2 scans together"):
        assert heading in out
