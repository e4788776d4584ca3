"""ptycho-train: what a run writes, how it is skipped, resumed and swept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from ptycho_bench.config.checkpoint import load_network
from ptycho_bench.data.store import read_scan
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.training.module import PtychoModule
from tests.cli.conftest import SMALL_RUN, VARYING, error_line, only_run, record, rows_of, weights_of


def test_a_run_writes_its_record(small_run):
    results = record(small_run)
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
    results = record(small_run)
    network = load_network(small_run / "best.ckpt")
    scan = read_scan(next((tmp_path / "data").iterdir()))
    points = np.flatnonzero((scan.scan_index[:, 0] >= 10) & (scan.scan_index[:, 1] < 6))
    amplitude, _ = network.predict(torch.from_numpy(scan.diffraction[points]), batch_size=7)
    scaled = [network.scaling.scale_amplitude(image) for image in (amplitude.numpy(), scan.amplitude[points])]
    expected = np.mean([peak_signal_noise_ratio(t, p, data_range=1.0) for p, t in zip(*scaled, strict=True)])
    assert results["metrics"]["patch_mean"]["amplitude_psnr_db"] == pytest.approx(expected, rel=1e-4)


def test_a_finished_run_is_skipped_and_overwrite_trains_it_again(command, small_run):
    before = (small_run / "results.json").stat().st_mtime_ns
    code, out, _ = command("train", *SMALL_RUN, "pictures=true", "trainer.devices=1")  # these change no result
    assert code == 0
    assert out == f"skip: {small_run} is finished; overwrite=true trains it again\n"
    assert (small_run / "results.json").stat().st_mtime_ns == before
    assert command("train", *SMALL_RUN, "overwrite=true")[0] == 0
    assert (small_run / "results.json").stat().st_mtime_ns > before


RECIPES = {
    "after each epoch": ("recipe.scheduler.patience=0", "recipe.scheduler.threshold=10", "recipe.epochs=3"),
    "after each batch": ("recipe=cpr", "loss=diffraction", "loss.refine_probe=true", "recipe.epochs=2"),
}


@pytest.mark.parametrize("schedule", RECIPES)
def test_an_interrupted_run_ends_like_an_undisturbed_one(command, tmp_path, monkeypatch, schedule):
    words = (*SMALL_RUN, *RECIPES[schedule])
    assert command("train", *words, "study=whole")[0] == 0

    def power_cut(self):
        if self.current_epoch == self.recipe.epochs - 1:
            raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(PtychoModule, "on_train_epoch_start", power_cut)
        assert "power cut" in error_line(command("train", *words, "study=cut"))
    whole, cut = (only_run(tmp_path, study) for study in ("whole", "cut"))
    assert whole.name == cut.name
    assert "power cut" in (cut / "error.txt").read_text()
    assert not (cut / "results.json").exists()
    assert len(rows_of(cut)) == len(rows_of(whole)) - 1
    assert command("train", *words, "study=cut")[0] == 0
    assert rows_of(cut) == rows_of(whole)
    assert len({row["learning_rate"] for row in rows_of(whole)}) > 1  # the schedule has changed the rate
    for file in ("best.ckpt", "last.ckpt"):
        for name, weight in weights_of(whole / file).items():
            assert torch.equal(weight, weights_of(cut / file)[name]), name
    assert not (cut / "error.txt").exists()


def epochs_of(folder: Path) -> list[dict[str, float]]:
    """Return the values of each epoch once, without those that differ from run to run."""
    return [{k: v for k, v in row.items() if k not in VARYING} for row in RunFolder(folder).rows()]


def test_a_damaged_last_checkpoint_is_named_and_the_run_still_ends_like_an_undisturbed_one(command, small_run):
    words = (*SMALL_RUN, "recipe.epochs=4", "recipe.optimizer.lr=0.1", "recipe.scheduler.patience=0")
    assert command("train", *words, "study=cut")[0] == 0
    cut = only_run(small_run.parents[2], "cut")
    whole = record(cut)["metrics"], epochs_of(cut), weights_of(cut / "last.ckpt")
    best = record(cut)["training"]["best_epoch"]
    assert best < 4  # so that epochs are repeated
    (cut / "results.json").unlink()
    content = (cut / "last.ckpt").read_bytes()
    place = len(content) // 2
    (cut / "last.ckpt").write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
    code, out, err = command("train", *words, "study=cut")
    assert code == 0, err
    named = [line for line in out.splitlines() if line.endswith("; the training continues from best.ckpt instead")]
    assert len(named) == 1 and str(cut / "last.ckpt") in named[0]
    assert f"continues from epoch {best} of 4" in out
    assert (record(cut)["metrics"], epochs_of(cut)) == whole[:2]
    for name, weight in weights_of(cut / "last.ckpt").items():
        assert torch.equal(weight, whole[2][name]), name
    for file in ("last.ckpt", "best.ckpt"):
        (cut / file).write_bytes(b"")
    (cut / "results.json").unlink()
    message = error_line(command("train", *words, "study=cut"))
    assert "last.ckpt" in message and "best.ckpt" in message and "overwrite=true trains from the beginning" in message


def test_a_neighbourhood_is_trained_on_and_evaluated(command, tmp_path):
    assert command("train", *SMALL_RUN, "input.neighbours=1", "noise=ppn", "recipe.epochs=1")[0] == 0
    run, folder = only_run(tmp_path), tmp_path / "evaluated"
    assert command("evaluate", str(run / "best.ckpt"), "pictures=false", f"folder={folder}")[0] == 0
    assert record(folder)["metrics"]["stitched"] == pytest.approx(record(run)["metrics"]["stitched"])


def test_every_term_of_a_loss_is_logged(command, tmp_path):
    assert command("train", *SMALL_RUN, "loss=geodesic", "phase=circular", "recipe.epochs=1")[0] == 0
    row = rows_of(only_run(tmp_path))[0]
    terms = {f"{head}_{term}" for head in ("amplitude", "phase") for term in ("mse_loss", "gradient", "nssim")}
    terms |= {"phase_circular", "consistency"}
    assert {name.removeprefix("train_") for name in row if name.startswith("train_")} == {*terms, "total"}
    for part in ("train", "val"):
        parts = sum(float(row[f"{part}_{term}"]) for term in terms)
        assert parts == pytest.approx(float(row[f"{part}_total"]), rel=1e-4)
    images = [f"{image}_{metric}" for image in ("amplitude", "phase") for metric in ("mse", "mae", "psnr_db", "ssim")]
    assert {f"val_{name}" for name in (*images, "phase_wrapped_mae_rad", "phase_aligned_psnr_db")} <= set(row)


def test_the_last_checkpoint_is_that_of_the_last_epoch_even_if_it_is_not_the_best(command, tmp_path):
    assert command("train", *SMALL_RUN, "recipe.epochs=3", "recipe.optimizer.lr=1e-30")[0] == 0
    folder = only_run(tmp_path)
    epochs = [torch.load(folder / file, weights_only=True)["epoch"] for file in ("best.ckpt", "last.ckpt")]
    assert epochs == [0, 2]
    assert sorted(file.name for file in folder.glob("*.ckpt")) == ["best.ckpt", "last.ckpt"]


def test_checkpoints_load_with_weights_only_and_need_no_other_file(small_run, tmp_path, monkeypatch):
    scan = read_scan(next((tmp_path / "data").iterdir()))
    monkeypatch.chdir(tmp_path)
    network = load_network(small_run / "last.ckpt")
    amplitude, phase = network.predict(torch.from_numpy(scan.diffraction[:5]), batch_size=2)
    assert amplitude.shape == phase.shape == (5, 16, 16)
    assert amplitude.min() >= 0.5 - 1e-6
    assert amplitude.max() <= 1.0 + 1e-6


def test_pictures_are_drawn(command, tmp_path):
    one_patch = ("split.test_rows=[10,11]", "split.test_columns=[0,1]")
    code, _, err = command("train", *SMALL_RUN, *one_patch, "pictures=true", "recipe.epochs=1")
    assert code == 0, err
    pictures = only_run(tmp_path) / "pictures"
    assert {file.name for file in pictures.iterdir()} == {"field.png", "patches.png", "losses.png"}


def test_a_sweep_trains_every_combination_and_continues_after_a_failure(command, tmp_path):
    code, _, err = command("train", "-m", *SMALL_RUN, "recipe.epochs=1", "split.train_rows=[0,10],[0,99],[0,9]")
    assert code == 1
    assert err.count("error:") == 1
    assert "split.train_rows [0, 99) does not fit the scan's 15 rows" in err
    assert len(list((tmp_path / "runs" / "default").iterdir())) == 2


def test_several_devices_under_multirun_are_refused(command):
    code, _, err = command("train", "-m", *SMALL_RUN, "trainer=ddp", "seed=0,1")
    assert code == 1
    assert "cannot run under --multirun" in err


def test_half_precision_trains_like_single_precision_with_the_loss_in_full_precision(command, small_run, tmp_path):
    words = ("trainer.precision=bf16-mixed", "trainer.channels_last=true", "study=half")
    assert command("train", *SMALL_RUN, *words)[0] == 0
    single, half = rows_of(small_run), rows_of(only_run(tmp_path, "half"))
    assert single != half
    for exact, rounded in zip(single, half, strict=True):
        for name in ("train_total", "val_total", "val_phase_nssim"):
            assert float(rounded[name]) == pytest.approx(float(exact[name]), rel=2e-2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_numbers_of_a_cpu(command, small_run, tmp_path):
    assert command("train", *SMALL_RUN, "trainer=gpu", "study=gpu")[0] == 0
    on_gpu = only_run(tmp_path, "gpu")
    assert record(on_gpu)["training"]["device"].startswith("cuda")
    for cpu_row, gpu_row in zip(rows_of(small_run), rows_of(on_gpu), strict=True):
        assert float(gpu_row["val_total"]) == pytest.approx(float(cpu_row["val_total"]), rel=1e-3)
