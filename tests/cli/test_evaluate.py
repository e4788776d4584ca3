import json
from pathlib import Path

import pytest
import torch

from ptycho_bench.config.checkpoint import read_checkpoint
from tests.cli.conftest import SMALL_RUN, SMALL_SCAN


def results_of(tmp_path: Path, data: str = "ltem") -> list[dict]:
    folders = sorted((tmp_path / "evaluations").glob(f"*/{data}-*"), key=lambda folder: folder.stat().st_mtime)
    return [json.loads((folder / "results.json").read_text()) for folder in folders]


def test_the_training_data_give_the_training_record(command, small_run, tmp_path):
    code, _, err = command("evaluate", str(small_run / "best.ckpt"))
    assert code == 0, err
    trained = json.loads((small_run / "results.json").read_text())
    (evaluated,) = results_of(tmp_path)
    for part in ("patch_mean", "stitched"):
        for name, value in trained["metrics"][part].items():
            assert evaluated["metrics"][part][name] == pytest.approx(value, rel=1e-5, nan_ok=True), name
    assert evaluated["data"]["content_hash"] == trained["data"]["content_hash"]


def test_no_training_pixel_is_scored_whatever_the_jitter(command, tmp_path):
    words = [word for word in SMALL_RUN if not word.startswith(("split.test", "data.jitter"))]
    words += ["data.jitter_px=3", "split=disjoint", "recipe.epochs=1"]
    assert command("train", *words)[0] == 0
    run = next((tmp_path / "runs" / "default").iterdir())
    trained = json.loads((run / "results.json").read_text())
    assert command("evaluate", str(run / "best.ckpt"))[0] == 0
    assert command("evaluate", str(run / "best.ckpt"), "data.seed=9")[0] == 0  # the same field, jittered anew
    same, anew = results_of(tmp_path)
    assert same["inference"]["patterns"] == trained["split"]["test"]
    top = load_test_rectangle(run / "best.ckpt")[0]
    rows = [float(line.split(",")[3]) for line in patches_of(tmp_path, anew)[1:]]
    assert min(rows) >= top


def load_test_rectangle(checkpoint: Path) -> list[float]:
    return read_checkpoint(checkpoint)["ptycho_bench"]["test"]["region_px"]


def patches_of(tmp_path: Path, results: dict) -> list[str]:
    folders = (tmp_path / "evaluations").glob("*/*")
    mine = next(f for f in folders if json.loads((f / "results.json").read_text()) == results)
    return (mine / "patches.csv").read_text().splitlines()


def test_best_and_last_checkpoint_do_not_overwrite_each_other(command, small_run, tmp_path):
    for file in ("best.ckpt", "last.ckpt"):
        torch.save({**torch.load(small_run / file, weights_only=True), "note": file}, small_run / file)
        assert command("evaluate", str(small_run / file))[0] == 0
    assert len(results_of(tmp_path)) == 2


def test_another_overlap_scans_the_same_field_anew(command, small_run, tmp_path):
    assert command("evaluate", str(small_run / "best.ckpt"), "data.overlap_ratio=0.75")[0] == 0
    (evaluated,) = results_of(tmp_path)
    assert evaluated["data"]["overlap_ratio"] == 0.75
    assert evaluated["data"]["jitter_px"] == 1  # the training's own, not the file's default
    assert evaluated["inference"]["patterns"] > 60


def test_noise_and_metrics_can_be_named(command, small_run, tmp_path):
    assert command("evaluate", str(small_run / "best.ckpt"), "noise=ppn", "metrics=cpr")[0] == 0
    (evaluated,) = results_of(tmp_path)
    assert "PPNNoise" in evaluated["data"]["noise"]
    assert evaluated["metrics"]["protocol"]["ssim_window"] == "uniform"


def test_another_data_set_is_scored_everywhere(command, small_run, tmp_path):
    words = ("data=ltem", "region=all", *SMALL_SCAN, "data.seed=5")
    assert command("evaluate", str(small_run / "best.ckpt"), *words)[0] == 0
    (evaluated,) = results_of(tmp_path)
    assert evaluated["inference"]["patterns"] == evaluated["data"]["patterns"] == 225


def test_what_cannot_be_scored_is_refused_in_one_line(command, small_run, tmp_path):
    checkpoint = str(small_run / "best.ckpt")
    torn = tmp_path / "torn.ckpt"
    torn.write_bytes((small_run / "best.ckpt").read_bytes()[:2000])
    cases = {
        ("missing.ckpt",): "no checkpoint missing.ckpt",
        (str(torn),): "torn.ckpt cannot be read as a checkpoint",
        (): "checkpoint has no value",
        (checkpoint, "data.probe.size_px=32"): "patterns of 32 px, the network was trained on 16 px",
        (checkpoint, "device=cuda:9"): "device must be auto, cpu or cuda, got 'cuda:9'",
        (checkpoint, "region=some"): "region must be all, test or [top,bottom,left,right] in object pixels, got 'some'",
        (checkpoint, "data.obj.size_px=64"): "no patch of this scan lies in rows",
        (checkpoint, "nose=ppn"): "no key 'nose', did you mean 'noise'?",
    }
    for words, message in cases.items():
        code, _, err = command("evaluate", *words)
        assert code == 1
        assert message in err
        assert err.count("\n") == 1, err
    assert not (tmp_path / "evaluations").exists()
