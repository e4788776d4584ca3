"""Scoring a network in three steps: evaluate it without a side effect, write the result, draw it."""

import csv
import os

import numpy as np
import pytest
import torch

from ptycho_bench.config.build import build
from ptycho_bench.runs import score
from ptycho_bench.runs.score import draw_scored, evaluate_scan, print_scored, scores_record, write_scored
from tests.conftest import option
from tests.deployment.conftest import described, network_of

POINTS = np.arange(100, 121)
PROTOCOL = build(option("metrics", "ppn"))


@pytest.fixture(scope="module")
def network():
    """A network of random weights for patterns of 16 px, which sees their neighbours."""
    return network_of(described("model=ptychonn", "model.width=4", "input.neighbours=1"))


@pytest.fixture(scope="module")
def scored(network, tiny_scan):
    """The network's score on the last points of the tiny scan."""
    return evaluate_scan(network, tiny_scan, POINTS, name="a", protocol=PROTOCOL, batch_size=8)


@pytest.fixture(scope="module")
def other(network, other_scan):
    """The network's score on a single point of another scan."""
    return evaluate_scan(network, other_scan, POINTS[:1] - 60, name="b", protocol=PROTOCOL, batch_size=8)


def test_evaluating_writes_prints_and_draws_nothing(network, tiny_scan, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = torch.get_rng_state()
    evaluate_scan(network, tiny_scan, POINTS[:2], name="a", protocol=PROTOCOL, batch_size=8)
    assert os.listdir(tmp_path) == []
    assert capsys.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training


def test_a_score_is_that_of_the_network_and_does_not_depend_on_the_batch_size(network, tiny_scan, scored):
    whole = evaluate_scan(network, tiny_scan, POINTS, name="a", protocol=PROTOCOL, batch_size=1000)
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
    record = scores_record(PROTOCOL, [scored, other])
    values = torch.cat([scored.result.patches["phase_mse"], other.result.patches["phase_mse"]])
    assert record["metrics"]["patch_mean"]["phase_mse"] == pytest.approx(values.mean().item(), rel=1e-5)
    both = [one.result.stitched["phase_mse"] for one in (scored, other)]
    assert record["metrics"]["stitched"]["phase_mse"] == pytest.approx(sum(both) / 2)
    assert record["inference"]["patterns"] == len(POINTS) + 1
    assert record["metrics"]["protocol"] == vars(PROTOCOL)


def test_pictures_are_named_after_the_scan_if_there_are_several(other, tmp_path, monkeypatch):
    drawn = []
    for name in ("draw_field", "draw_patches"):
        monkeypatch.setattr(score, name, lambda path, *content: drawn.append(path))
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
