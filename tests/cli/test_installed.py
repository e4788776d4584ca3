"""The installed commands in processes of their own: outside the checkout, with a closed pipe, on several processes."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import SMALL_RUN, only_run

BIN = Path(sys.executable).parent
LIMIT_S = 180


def environment() -> dict[str, str]:
    """Return the environment of a user who has set no variable of this project, with one thread."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HYDRA", "PTYCHO", "WANDB"))}
    return {**kept, "OMP_NUM_THREADS": "1"}


def run(folder: Path, *words: str) -> str:
    """Run a program in a folder; return what it prints."""
    result = subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def numbers(outputs: Path) -> list[dict[str, float]]:
    """Return the rows of the only run's metrics.csv."""
    with (only_run(outputs) / "metrics.csv").open() as handle:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(handle)]


def test_help_lists_every_choice(tmp_path):
    text = run(tmp_path, str(BIN / "ptycho-train"), "--help")
    for group in ("data=ltem", "model=ppn", "loss=mse", "phase=scaled", "trainer=auto", "preset=null", "+sweep"):
        assert group in text
    for command in ("ptycho-simulate", "ptycho-evaluate", "ptycho-export"):
        assert command in run(tmp_path, str(BIN / command), "--help")


@pytest.mark.parametrize(
    ("words", "code"), [(("ptycho-inspect", "frames.npy"), 1), (("ptycho-train", "--cfg", "job"), 0)]
)
def test_a_closed_pipe_harms_no_command(tmp_path, words, code):  # frames alone are no scan
    np.save(tmp_path / "frames.npy", np.ones((2, 2, 256, 256), np.uint16))
    command = [str(BIN / words[0]), *words[1:]]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=LIMIT_S) == code


def test_two_processes_take_the_same_steps_as_one_batch_normalisation_included(command, tmp_path):
    words = [word for word in SMALL_RUN if not word.startswith(("model", "recipe"))]
    words += ["model=ppn", "model.local_channels=16", "model.width=8", "model.decoder_widths=[16,8,8]"]
    words += ["recipe.epochs=2", "recipe.batch_size=31"]  # 31 cannot be divided equally
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    folder = tmp_path / "two"
    folder.mkdir()
    command_line = [str(BIN / "ptycho-train"), *words, *two]
    result = subprocess.run(command_line, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")  # and no block of warnings
    assert {file.name for file in folder.iterdir()} == {"outputs"}  # and no other file where it ran
    code, _, err = command("train", *words)
    assert code == 0, err
    for alone, shared in zip(numbers(tmp_path), numbers(folder / "outputs"), strict=True):
        for name in alone:
            if name not in ("seconds", "peak_memory_mb"):
                assert shared[name] == pytest.approx(alone[name], rel=1e-3), name


def test_training_without_a_logger_does_not_import_wandb(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # an import would fail
    code, _, err = command("train", *SMALL_RUN, "recipe.epochs=1")
    assert code == 0, err


@pytest.mark.slow
def test_wandb_works_without_an_account(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run(tmp_path, str(BIN / "ptycho-train"), *SMALL_RUN, "recipe.epochs=1", "logger=wandb")
    assert list(tmp_path.glob("outputs/runs/default/*/wandb/offline-run-*"))
