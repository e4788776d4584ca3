import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from ptycho_bench.config.checkpoint import load_network
from ptycho_bench.data.store import read_scan
from ptycho_bench.training.module import PtychoModule
from tests.cli.conftest import SMALL_RUN

VARYING = ("seconds", "peak_memory_mb")


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as handle:
        return [{k: v for k, v in row.items() if k not in VARYING} for row in csv.DictReader(handle)]


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def test_a_run_leaves_its_record(small_run):
    results = json.loads((small_run / "results.json").read_text())
    assert results["split"]["train"] + results["split"]["validation"] == 150
    assert results["split"]["test"] == results["inference"]["patterns"] == 30
    assert results["training"]["epochs"] == 2
    assert {"git", "packages", "processor"} <= set(results["environment"])
    assert len(rows_of(small_run)) == 2
    assert {"train_total", "val_total", "val_phase_nssim", "learning_rate"} <= set(rows_of(small_run)[0])
    assert len((small_run / "patches.csv").read_text().splitlines()) == 31
    assert {"config.yaml", "env.json", "best.ckpt", "last.ckpt"} <= {file.name for file in small_run.iterdir()}
    assert not list(small_run.glob(".*"))


def test_the_recorded_metrics_are_those_of_the_saved_network(small_run, tmp_path):
    results = json.loads((small_run / "results.json").read_text())
    network = load_network(small_run / "best.ckpt")
    scan = read_scan(next((tmp_path / "data").iterdir()))
    points = np.flatnonzero((scan.scan_index[:, 0] >= 10) & (scan.scan_index[:, 1] < 6))
    amplitude, _ = network.predict(torch.from_numpy(scan.diffraction[points]), batch_size=7)
    scaled = [network.scaling.scale_amplitude(image) for image in (amplitude.numpy(), scan.amplitude[points])]
    expected = np.mean([peak_signal_noise_ratio(t, p, data_range=1.0) for p, t in zip(*scaled, strict=True)])
    assert results["metrics"]["patch_mean"]["amplitude_psnr_db"] == pytest.approx(expected, rel=1e-4)


def test_a_finished_run_is_skipped_and_overwrite_trains_it_again(command, small_run):
    before = (small_run / "results.json").stat().st_mtime_ns
    code, out, _ = command("train", *SMALL_RUN)
    assert code == 0
    assert out.startswith(f"skip: {small_run} is finished")
    assert (small_run / "results.json").stat().st_mtime_ns == before
    assert command("train", *SMALL_RUN, "overwrite=true")[0] == 0
    assert (small_run / "results.json").stat().st_mtime_ns > before


RECIPES = {
    "once an epoch": ("recipe.scheduler.patience=0", "recipe.scheduler.threshold=10"),
    "with every batch": ("recipe=cpr", "loss=diffraction", "loss.refine_probe=true", "recipe.batch_size=32"),
}


@pytest.mark.parametrize("schedule", RECIPES)
def test_a_run_cut_short_goes_on_as_if_it_had_not_been(command, tmp_path, monkeypatch, schedule):
    words = (*SMALL_RUN, *RECIPES[schedule], "recipe.epochs=5")
    assert command("train", *words, "study=whole")[0] == 0

    def power_cut(self):
        if self.current_epoch == 3:
            raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(PtychoModule, "on_train_epoch_start", power_cut)
        code, _, err = command("train", *words, "study=cut")
    assert code == 1
    assert "power cut" in err
    whole, cut = (next((tmp_path / "runs" / study).iterdir()) for study in ("whole", "cut"))
    assert whole.name == cut.name
    assert "power cut" in (cut / "error.txt").read_text()
    assert not (cut / "results.json").exists()
    assert len(rows_of(cut)) == 3
    assert command("train", *words, "study=cut")[0] == 0
    assert rows_of(cut) == rows_of(whole)
    assert len({row["learning_rate"] for row in rows_of(whole)}) > 1  # the schedule was at work
    for file in ("best.ckpt", "last.ckpt"):
        for name, weight in weights_of(whole / file).items():
            assert torch.equal(weight, weights_of(cut / file)[name]), name
    assert not (cut / "error.txt").exists()


def test_a_neighbourhood_is_trained_on_and_evaluated(command, tmp_path):
    assert command("train", *SMALL_RUN, "input.neighbours=1", "noise=ppn")[0] == 0
    folder = next((tmp_path / "runs" / "default").iterdir())
    trained = json.loads((folder / "results.json").read_text())["metrics"]["stitched"]
    assert command("evaluate", str(folder / "best.ckpt"), "pictures=false")[0] == 0
    again = json.loads(next(tmp_path.glob("evaluations/*/*/results.json")).read_text())["metrics"]["stitched"]
    assert again == pytest.approx(trained)


def test_every_term_of_a_loss_is_logged(command, tmp_path):
    assert command("train", *SMALL_RUN, "loss=geodesic", "phase=circular", "recipe.epochs=1")[0] == 0
    row = rows_of(next((tmp_path / "runs" / "default").iterdir()))[0]
    terms = {f"{head}_{term}" for head in ("amplitude", "phase") for term in ("mse_loss", "gradient", "nssim")}
    terms |= {"phase_circular", "consistency"}
    assert {name.removeprefix("train_") for name in row if name.startswith("train_")} == {*terms, "total"}
    for part in ("train", "val"):
        parts = sum(float(row[f"{part}_{term}"]) for term in terms)
        assert parts == pytest.approx(float(row[f"{part}_total"]), rel=1e-4)
    images = [f"{image}_{metric}" for image in ("amplitude", "phase") for metric in ("mse", "mae", "psnr_db", "ssim")]
    assert {f"val_{name}" for name in (*images, "phase_wrapped_mae_rad", "phase_aligned_psnr_db")} <= set(row)


def test_a_model_brings_its_own_choices_and_the_command_line_has_the_last_word():
    from tests.cli.test_conf import compose

    def input_and_phase(*words: str) -> tuple[str, str]:
        cfg = compose("config", *words)
        return cfg.input["_target_"].split(".")[-1], cfg.phase["_target_"].split(".")[-1]

    assert input_and_phase("model=ppn") == ("Log1pInput", "ScaledPhase")
    assert input_and_phase("model=ptychonn") == ("CountsInput", "ScaledPhase")
    assert input_and_phase("model=circular_scalar") == ("GainInput", "RadianPhase")
    assert input_and_phase("model=circular_scalar", "input=log1p", "phase=scaled") == ("Log1pInput", "ScaledPhase")
    assert compose("config", "recipe=ptychonn").loss["_target_"].endswith("MAELoss")
    assert compose("config", "recipe=ptychonn", "loss=mse").loss["_target_"].endswith("MSELoss")


def test_the_last_checkpoint_is_that_of_the_last_epoch_improving_or_not(command, tmp_path):
    assert command("train", *SMALL_RUN, "recipe.epochs=3", "recipe.optimizer.lr=0.0")[0] == 0
    folder = next((tmp_path / "runs" / "default").iterdir())
    epochs = [torch.load(folder / file, weights_only=True)["epoch"] for file in ("best.ckpt", "last.ckpt")]
    assert epochs == [0, 2]
    assert sorted(file.name for file in folder.glob("*.ckpt")) == ["best.ckpt", "last.ckpt"]


def test_what_determines_the_result_makes_the_name_and_nothing_else_does(command, tmp_path):
    def name(*words: str) -> str:
        import shutil

        assert command("train", *SMALL_RUN, "recipe.epochs=1", "loss=mse", *words)[0] == 0
        folder = next((tmp_path / "runs" / "default").iterdir())
        shutil.rmtree(folder)
        return folder.name

    first = name()
    assert name("trainer.devices=1", "pictures=true") == first
    assert name("data.photons=1e4") != first
    assert name("recipe.batch_size=16") != first


def test_checkpoints_load_with_weights_only_and_need_no_other_file(small_run, tmp_path, monkeypatch):
    scan = read_scan(next((tmp_path / "data").iterdir()))
    monkeypatch.chdir(tmp_path)
    network = load_network(small_run / "last.ckpt")
    amplitude, phase = network.predict(torch.from_numpy(scan.diffraction[:5]), batch_size=2)
    assert amplitude.shape == phase.shape == (5, 16, 16)
    assert amplitude.min() >= 0.5 - 1e-6
    assert amplitude.max() <= 1.0 + 1e-6


def test_pictures_are_drawn(command, tmp_path):
    assert command("train", *SMALL_RUN, "pictures=true")[0] == 0
    folder = next((tmp_path / "runs" / "default").iterdir())
    assert {file.name for file in (folder / "pictures").iterdir()} == {"field.png", "patches.png", "losses.png"}


def test_a_sweep_trains_every_combination_and_goes_on_after_a_failure(command, tmp_path):
    code, _, err = command("train", "-m", *SMALL_RUN, "recipe.epochs=1", "loss=weighted", "loss.alpha=0.5,3,0.9")
    assert code == 1
    assert err.count("error:") == 1
    assert "loss.alpha must lie in [0, 1], got 3" in err
    assert len(list((tmp_path / "runs" / "default").iterdir())) == 2


def test_several_devices_under_multirun_are_refused(command):
    code, _, err = command("train", "-m", *SMALL_RUN, "trainer=ddp", "seed=0,1")
    assert code == 1
    assert "cannot run under --multirun" in err


def test_half_precision_trains_like_single_its_loss_taken_in_full(command, tmp_path):
    for precision in ("32-true", "bf16-mixed"):
        words = (f"trainer.precision={precision}", "trainer.channels_last=true", f"study={precision}")
        assert command("train", *SMALL_RUN, *words)[0] == 0
    single, half = (rows_of(next((tmp_path / "runs" / study).iterdir())) for study in ("32-true", "bf16-mixed"))
    assert single != half
    for exact, rounded in zip(single, half, strict=True):
        for name in ("train_total", "val_total", "val_phase_nssim"):
            assert float(rounded[name]) == pytest.approx(float(exact[name]), rel=2e-2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_numbers_of_a_cpu(command, tmp_path):
    for device in ("cpu", "gpu"):
        assert command("train", *SMALL_RUN, f"trainer={device}", f"study={device}")[0] == 0
    folders = [next((tmp_path / "runs" / device).iterdir()) for device in ("cpu", "gpu")]
    assert json.loads((folders[1] / "results.json").read_text())["training"]["device"].startswith("cuda")
    rows = [rows_of(folder) for folder in folders]
    for on_cpu, on_gpu in zip(*rows, strict=True):
        assert float(on_gpu["val_total"]) == pytest.approx(float(on_cpu["val_total"]), rel=1e-3)
