"""ptycho-evaluate: the run's own data, another scan of the same field, another data set."""

from pathlib import Path

import pytest
import torch

from ptycho_bench.config.checkpoint import read_checkpoint
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
        torch.save({**torch.load(small_run / file, weights_only=True), "note": file}, small_run / file)
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
    assert results_of(tmp_path, "file")[0]["metrics"] == record(only_run(tmp_path))["metrics"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("missing.ckpt",), "no checkpoint missing.ckpt"),
        (("TORN",), "torn.ckpt cannot be read as a checkpoint"),
        ((), "checkpoint has no value"),
        (("CHECKPOINT", "data.probe.size_px=32"), "patterns of 32 px, the network was trained on 16 px"),
        (("CHECKPOINT", "device=cuda:9"), "device must be auto, cpu or cuda, got 'cuda:9'"),
        (("CHECKPOINT", "region=some"), "region must be all, test or [top,bottom,left,right] in object pixels, got"),
        (("CHECKPOINT", "data.obj.size_px=64"), "no patch of this scan lies in rows"),
        (("CHECKPOINT", "nose=ppn"), "no key 'nose', did you mean 'noise'?"),
        (("CHECKPOINT", "pictures=0"), "pictures must be bool, got 0"),
        (("CHECKPOINT", "batch_size=0"), "batch_size must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(command, small_run, tmp_path, words, message):
    torn = tmp_path / "torn.ckpt"
    torn.write_bytes((small_run / "best.ckpt").read_bytes()[:2000])
    places = {"CHECKPOINT": str(small_run / "best.ckpt"), "TORN": str(torn)}
    assert message in error_line(command("evaluate", *(places.get(word, word) for word in words)))
    assert not (tmp_path / "evaluations").exists()
