"""Files that are larger than cache_mb: trained on from the file, scored, resumed and recorded like those in memory."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from ptycho_bench.training.loading.blocks import ScanPart
from ptycho_bench.training.module import PtychoModule
from tests.cli.conftest import SMALL_SCAN, SMALL_TRAINING, error_line, only_run, record, rows_of, weights_of
from tests.training.loading.test_prefetch import threads


def streamed(file: Path, *words: str) -> tuple[str, ...]:
    """Return the words of a training that streams a file."""
    return "data=file", f"data.file_path={file}", *SMALL_TRAINING, "cache_mb=0", *words


@pytest.fixture
def small_blocks(monkeypatch):
    """Read blocks of 10 samples into a buffer of 80, so that a small set does not fit into it."""
    monkeypatch.setattr("ptycho_bench.training.loading.from_file.BUFFER_BYTES", 80 * 3 * 16**2 * 4)


def test_an_interrupted_streamed_run_ends_like_an_undisturbed_one(
    command, scan_file, tmp_path, monkeypatch, small_blocks
):
    words = streamed(scan_file, "recipe.epochs=2")
    assert command("train", *words, "study=whole")[0] == 0

    def power_cut(self):
        if self.current_epoch == 1:
            raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(PtychoModule, "on_train_epoch_start", power_cut)
        assert command("train", *words, "study=cut")[0] == 1
    assert not threads()
    assert command("train", *words, "study=cut")[0] == 0
    whole, cut = only_run(tmp_path, "whole"), only_run(tmp_path, "cut")
    assert record(cut)["training"]["streamed"] is True
    assert rows_of(cut) == rows_of(whole)
    for name, weight in weights_of(whole / "last.ckpt").items():
        assert torch.equal(weight, weights_of(cut / "last.ckpt")[name]), name


def test_several_files_with_a_neighbourhood_are_streamed(command, scan_file, tmp_path, small_blocks):
    other = tmp_path / "b.h5"
    assert command("simulate", *SMALL_SCAN, "data.photons=1e4", "noise=ppn", f"out={other}")[0] == 0
    run = (*SMALL_TRAINING, "input.neighbours=1", "cache_mb=1", "loss=diffraction", "recipe.epochs=1")
    code, _, err = command("train", f"data=[{scan_file},{other}]", *run)
    assert code == 0, err
    folder = only_run(tmp_path)
    assert record(folder)["training"]["streamed"] is True
    words = ("data=file", f"data.file_path={scan_file}", "pictures=false", f"folder={tmp_path / 'evaluated'}")
    code, _, err = command("evaluate", str(folder / "best.ckpt"), *words)
    assert code == 0, err
    trained = record(folder)["scans"]["scan"]["metrics"]["stitched"]
    assert record(tmp_path / "evaluated")["metrics"]["stitched"] == pytest.approx(trained)


def test_a_file_that_cannot_be_read_any_longer_ends_the_run_in_one_line(command, scan_file, monkeypatch):
    read, blocks = ScanPart.read, []

    def breaking(self, part):
        blocks.append(part)
        if len(blocks) > 6:
            raise OSError(f"{scan_file}: input/output error")
        return read(self, part)

    monkeypatch.setattr(ScanPart, "read", breaking)
    code, _, err = command("train", *streamed(scan_file, "recipe.epochs=50"))
    assert (code, err) == (1, f"error: {scan_file}: input/output error\n")
    assert not threads()


def test_a_step_that_fails_leaves_no_thread(command, scan_file, monkeypatch):
    def failing(self, batch, batch_index):
        raise RuntimeError("no more memory")

    monkeypatch.setattr(PtychoModule, "training_step", failing)
    assert "no more memory" in error_line(command("train", *streamed(scan_file, "recipe.batch_size=4")))
    assert not threads()


def with_nan(path: Path) -> None:
    with h5py.File(path, "a") as handle:
        handle["phase"][200, 3, 3] = np.nan


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (with_nan, "phase contains 1 NaN"),
        (lambda path: path.write_bytes(path.read_bytes()[:200_000]), "cannot be read"),
    ],
)
def test_a_damaged_file_is_refused_before_it_is_streamed(command, scan_file, tmp_path, damage, message):
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(scan_file.read_bytes())
    damage(damaged)
    assert message in error_line(command("train", *streamed(damaged)))
    assert not list(tmp_path.glob("runs/*/*"))
