"""What only a process of its own shows: the installed command, outside the checkout, on several processes."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import SMALL_RUN

BIN = Path(sys.executable).parent


def run(folder: Path, *words: str, code: int = 0) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HYDRA", "PTYCHO", "WANDB"))}
    environment |= {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [str(BIN / words[0]), *words[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert result.returncode == code, result.stderr
    return result.stdout


def rows(folder: Path) -> list[dict[str, float]]:
    with next(folder.glob("outputs/runs/default/*/metrics.csv")).open() as handle:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(handle)]


def test_help_lists_every_choice(tmp_path):
    text = run(tmp_path, "ptycho-train", "--help")
    for group in ("data=ltem", "model=ppn", "loss=weighted", "phase=scaled", "trainer=auto"):
        assert group in text
    for command in ("ptycho-simulate", "ptycho-evaluate", "ptycho-export"):
        assert command in run(tmp_path, command, "--help")


@pytest.mark.parametrize("words", [("ptycho-inspect", "frames.npy"), ("ptycho-train", "--cfg", "job")])
def test_a_reader_that_has_seen_enough_gets_no_traceback(tmp_path, words):
    np.save(tmp_path / "frames.npy", np.ones((2, 2, 256, 256), np.uint16))
    command = [str(BIN / words[0]), *words[1:]]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=120) == 1


PPN = ("model=ppn", "model.local_units=64", "model.width=8", "model.decoder_widths=[16,8,8]", "recipe.epochs=2")


def test_two_processes_take_the_steps_of_one_batch_normalisation_included(tmp_path):
    words = [word for word in SMALL_RUN if not word.startswith(("model", "recipe"))]
    ways = {"one": [], "two": ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]}
    for name, way in ways.items():
        (tmp_path / name).mkdir()
        run(tmp_path / name, "ptycho-train", *words, *PPN, *way, "recipe.batch_size=31")  # 31 parts unequally
        assert {file.name for file in (tmp_path / name).iterdir()} == {"outputs"}  # nothing stray where it ran
    for alone, shared in zip(*(rows(tmp_path / name) for name in ways), strict=True):
        for name in alone:
            if name not in ("seconds", "peak_memory_mb"):
                assert shared[name] == pytest.approx(alone[name], rel=1e-3), name


def test_wandb_is_imported_only_when_asked_for_and_works_without_account(tmp_path):
    script = (
        "import sys\nsys.argv = ['ptycho-train', *sys.argv[1:]]\n"
        "from ptycho_bench.cli.train import main\nmain()\nprint('imported:', 'wandb' in sys.modules)\n"
    )
    outputs = []
    for words in ([], ["logger=wandb", "overwrite=true"]):
        environment = {**os.environ, "WANDB_API_KEY": "", "HOME": str(tmp_path)}
        command = [sys.executable, "-c", script, *SMALL_RUN, "recipe.epochs=1", *words]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        outputs.append(result.stdout)
    assert "imported: False" in outputs[0]
    assert "imported: True" in outputs[1]
    assert list(tmp_path.glob("outputs/runs/default/*/wandb/offline-run-*"))
