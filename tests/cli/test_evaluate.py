"""ptycho-evaluate: the run's own data, another scan of the same field, another data set."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_bench.config.checkpoint import read_checkpoint
from ptycho_bench.data.store import read_scan
from ptycho_bench.runs.region import training_points
from ptycho_bench.training.checkpoints import AtomicCheckpointIO
from tests.cli.conftest import SMALL_RUN, SMALL_SCAN, error_line, only_run, record


def results_of(outputs: Path, data: str = "ltem") -> list[dict]:
    """Return the record of each evaluation on a data set, in order of time."""
    folders = sorted((outputs / "evaluations").glob(f"*/{data}-*"), key=lambda folder: folder.stat().st_mtime)
    return [record(folder) for folder in folders]


def test_evaluating_the_training_data_gives_the_record_of_the_training(command, small_run, tmp_path):
    code, _, err = command("evaluate", str(small_run / "best.ckpt"), "pictures=false")
    assert code == 0, err
    trained = record(small_run)
    (evaluated,) = results_of(tmp_path)
    for part in ("patch_mean", "stitched"):
        for name, value in trained["metrics"][part].items():
            assert evaluated["metrics"][part][name] == pytest.approx(value, rel=1e-5, nan_ok=True), name
    assert evaluated["data"]["content_hash"] == trained["data"]["content_hash"]


def test_a_rectangle_of_the_field_is_scored_and_drawn(command, small_run, tmp_path):
    folder = tmp_path / "rectangle"
    code, out, err = command("evaluate", str(small_run / "best.ckpt"), "region=[0,20,0,20]", f"folder={folder}")
    assert code == 0, err
    assert record(folder)["inference"]["patterns"] == 1
    assert {file.name for file in (folder / "pictures").iterdir()} == {"field.png", "patches.png"}
    assert f"-> {folder}" in out


def test_no_training_pixel_is_scored_whatever_the_jitter(command, tmp_path):
    words = [word for word in SMALL_RUN if not word.startswith(("split.test", "data.jitter"))]
    words += ["data.jitter_px=3", "split=disjoint", "recipe.epochs=1"]
    assert command("train", *words)[0] == 0
    run = only_run(tmp_path)
    for words in ((), ("data.seed=9",)):  # the same field with other jitter
        assert command("evaluate", str(run / "best.ckpt"), *words, "pictures=false")[0] == 0
    same, other = results_of(tmp_path)
    assert same["inference"]["patterns"] == record(run)["split"]["test"]
    (tested,) = read_checkpoint(run / "best.ckpt")["ptycho_bench"]["test"]
    rows = [float(line.split(",")[3]) for line in patches_of(tmp_path, other)[1:]]
    assert min(rows) >= tested["region_px"][0]


def patches_of(outputs: Path, results: dict) -> list[str]:
    """Return the lines of patches.csv of the evaluation with this record."""
    folder = next(folder for folder in (outputs / "evaluations").glob("*/*") if record(folder) == results)
    return (folder / "patches.csv").read_text().splitlines()


def test_best_and_last_checkpoint_do_not_overwrite_each_other(command, small_run, tmp_path):
    for file in ("best.ckpt", "last.ckpt"):
        noted = {**torch.load(small_run / file, weights_only=True), "note": file}
        AtomicCheckpointIO().save_checkpoint(noted, small_run / file)
        assert command("evaluate", str(small_run / file), "pictures=false")[0] == 0
    assert len(results_of(tmp_path)) == 2


def test_another_overlap_is_another_scan_of_the_same_field(command, small_run, tmp_path):
    code, out, err = command("evaluate", str(small_run / "best.ckpt"), "data.overlap_ratio=0.75", "pictures=false")
    assert code == 0, err
    assert "note: " not in out
    (evaluated,) = results_of(tmp_path)
    assert evaluated["data"]["overlap_ratio"] == 0.75
    assert evaluated["data"]["jitter_px"] == 1  # that of the training, not the default of the file
    assert evaluated["inference"]["patterns"] > 60


def test_noise_and_metrics_can_be_named(command, small_run, tmp_path):
    words = ("noise=ppn", "metrics=cpr", "pictures=false")
    assert command("evaluate", str(small_run / "best.ckpt"), *words)[0] == 0
    (evaluated,) = results_of(tmp_path)
    assert "PPNNoise" in evaluated["data"]["noise"]
    assert evaluated["metrics"]["protocol"]["ssim_window"] == "uniform"


def test_another_data_set_is_scored_everywhere(command, small_run, tmp_path):
    words = ("data=ltem", "region=all", *SMALL_SCAN, "data.seed=5", "pictures=false")
    assert command("evaluate", str(small_run / "best.ckpt"), *words)[0] == 0
    (evaluated,) = results_of(tmp_path)
    assert evaluated["inference"]["patterns"] == evaluated["data"]["patterns"] == 225
    assert evaluated["metrics"]["scaled_by"] == "scored field"
    assert record(small_run)["metrics"]["scaled_by"] == "training"


def test_stitching_is_that_of_the_training_unless_it_is_named(command, small_run, tmp_path):
    for words in ((), ("stitch=synchronised",)):
        assert command("evaluate", str(small_run / "best.ckpt"), "pictures=false", *words)[0] == 0
    used = {one["metrics"]["protocol"]["stitch"]["synchronised"]: one["metrics"] for one in results_of(tmp_path)}
    assert set(used) == {False, True}
    assert used[True]["patch_mean"] == pytest.approx(used[False]["patch_mean"], rel=1e-5, nan_ok=True)
    assert used[True]["stitched"]["phase_mse"] != used[False]["stitched"]["phase_mse"]


def test_a_network_that_was_trained_on_a_file_needs_the_file_to_be_named(command, scan_file, tmp_path):
    words = [word for word in SMALL_RUN if not word.startswith("data.")]
    data = ("data=file", f"data.file_path={scan_file}")
    assert command("train", *data, *words, "recipe.epochs=1")[0] == 0
    checkpoint = str(only_run(tmp_path) / "best.ckpt")
    err = error_line(command("evaluate", checkpoint))
    assert f"which a checkpoint does not choose; add the one to be scored: data=file data.file_path={scan_file}" in err
    code, out, err = command("evaluate", checkpoint, *data, "pictures=false")
    assert code == 0, err
    assert "note: " not in out
    assert command("evaluate", checkpoint, f"data={scan_file}", "pictures=false")[0] == 0
    assert len(results_of(tmp_path, "file")) == 1  # the same evaluation
    assert results_of(tmp_path, "file")[0]["metrics"] == record(only_run(tmp_path))["metrics"]


def field_of(folder: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the stitched field of an evaluation."""
    with np.load(folder / "field.npz") as arrays:
        return dict(arrays)


def test_a_predictor_without_weights_is_scored_on_the_same_points_with_the_same_scaling(command, small_run, tmp_path):
    words = (str(small_run / "best.ckpt"), "predictor=network,training_mean,nearest_pattern", "-m", "pictures=false")
    code, out, err = command("evaluate", *words)
    assert code == 0, err
    network, mean, nearest = results_of(tmp_path)
    assert [one["predictor"] for one in (network, mean, nearest)] == ["network", "training_mean", "nearest_pattern"]
    assert network["inference"]["patterns"] == mean["inference"]["patterns"] == nearest["inference"]["patterns"]
    assert network["metrics"]["stitched"] != nearest["metrics"]["stitched"] != mean["metrics"]["stitched"]
    for predictor in ("training_mean", "nearest_pattern"):
        assert f"{predictor} of {small_run.name} on ltem, test" in " ".join(out.split())
        (folder,) = (tmp_path / "evaluations").glob(f"*/ltem-{predictor}-*")
        assert record(folder)["predictor"] == predictor
    (folder,) = (tmp_path / "evaluations").glob("*/ltem-training_mean-*")
    amplitude = field_of(folder)["amplitude"]
    scan = read_scan(next((tmp_path / "data").glob("*.h5")))
    (tested,) = read_checkpoint(small_run / "best.ckpt")["ptycho_bench"]["test"]
    assert amplitude == pytest.approx(scan.amplitude[training_points(scan, tested)].mean(), rel=1e-5)


def test_in_another_scan_the_training_patterns_are_still_those_of_the_training(command, small_run, tmp_path):
    words = (str(small_run / "best.ckpt"), "predictor=training_mean", "pictures=false")
    for other in ((), ("data.overlap_ratio=0.75",), ("data=ltem", *SMALL_SCAN, "data.seed=5", "region=all")):
        code, _, err = command("evaluate", *words, *other)
        assert code == 0, err
    folders = list((tmp_path / "evaluations").glob("*/*-training_mean-*"))
    values = {round(float(np.median(field_of(folder)["phase"])), 5) for folder in folders}
    assert len(folders) == 3
    assert len(values) == 1


def test_a_training_scan_that_is_not_in_the_cache_is_made_again(command, small_run, tmp_path):
    for file in (tmp_path / "data").iterdir():
        file.unlink()
    words = ("predictor=nearest_pattern", "data.overlap_ratio=0.75", "pictures=false")
    code, out, err = command("evaluate", str(small_run / "best.ckpt"), *words)
    assert code == 0, err
    assert "simulated again, differs" not in out
    assert len(list((tmp_path / "data").iterdir())) == 2


def test_a_training_scan_that_is_a_file_cannot_be_made_again(command, scan_file, tmp_path):
    words = [word for word in SMALL_RUN if not word.startswith("data.")]
    data = ("data=file", f"data.file_path={scan_file}")
    assert command("train", *data, *words, "recipe.epochs=1")[0] == 0
    checkpoint = str(only_run(tmp_path) / "best.ckpt")
    same = command("evaluate", checkpoint, *data, "predictor=nearest_pattern", "pictures=false")
    assert same[0] == 0, same[2]
    err = error_line(
        command("evaluate", checkpoint, "data=ltem", *SMALL_SCAN, "data.seed=5", "predictor=nearest_pattern")
    )
    assert (
        f"needs the scan that the network was trained on, which this checkpoint does not describe; score that "
        f"scan, data=file data.file_path={scan_file}" in err
    )
    assert len(results_of(tmp_path)) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("missing.ckpt",), "no checkpoint missing.ckpt"),
        (("TORN",), "torn.ckpt cannot be read as a checkpoint"),
        ((), "no checkpoint is named; a finished run has one"),
        (("CHECKPOINT", "TORN"), "this command takes 1 checkpoint, got 2"),
        (("CHECKPOINT", "predictor=mean"), "predictor must be network, training_mean or nearest_pattern, got 'mean'"),
        (("CHECKPOINT", "region=3"), "region must be all, test or [top,bottom,left,right] in object pixels, got 3"),
        (("CHECKPOINT", "folder=[a]"), "folder must be a text or null, got ['a']"),
        (("CHECKPOINT", "data.obj=3"), "data.obj must be a group of values, got 3; write data.obj.NAME=VALUE"),
        (("CHECKPOINT", "data.probe.size_px=32"), "patterns of 32 px, the network was trained on 16 px"),
        (("CHECKPOINT", "device=cuda:9"), "device must be auto, cpu or cuda, got 'cuda:9'"),
        (("CHECKPOINT", "region=some"), "region must be all, test or [top,bottom,left,right] in object pixels, got"),
        (("CHECKPOINT", "data.obj.size_px=64"), "no patch of this scan lies in rows"),
        (("CHECKPOINT", "nose=ppn"), "no key 'nose', did you mean 'noise'?"),
        (("CHECKPOINT", "pictures=0"), "pictures must be true or false, got 0"),
        (("CHECKPOINT", "batch_size=0"), "batch_size must lie in [1, 1000000], got 0"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(command, small_run, tmp_path, words, message):
    torn = tmp_path / "torn.ckpt"
    torn.write_bytes((small_run / "best.ckpt").read_bytes()[:2000])
    places = {"CHECKPOINT": str(small_run / "best.ckpt"), "TORN": str(torn)}
    assert message in error_line(command("evaluate", *(places.get(word, word) for word in words)))
    assert not (tmp_path / "evaluations").exists()
