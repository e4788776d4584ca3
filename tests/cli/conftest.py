"""Runs the commands in this process, on a scan small enough for seconds."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ptycho_bench.cli import (
    evaluate,
    export,
    importing,
    inspecting,
    profile,
    reconstruct,
    report,
    simulate,
    sweep,
    train,
)

COMMANDS = {
    "train": train.main,
    "simulate": simulate.main,
    "evaluate": evaluate.main,
    "import": importing.main,
    "inspect": inspecting.main,
    "reconstruct": reconstruct.main,
    "sweep": sweep.main,
    "report": report.main,
    "profile": profile.main,
    "export": export.main,
}
SMALL_SCAN = (
    "data.obj.size_px=128",
    "data.probe.size_px=16",
    "data.overlap_ratio=0.5",
    "data.jitter_px=1",
)
SMALL_RUN = (
    *SMALL_SCAN,
    "split=ppn",
    "split.train_rows=[0,10]",
    "split.test_rows=[10,15]",
    "split.test_columns=[0,6]",
    "model=ptychonn",
    "input=counts",
    "loss=weighted",
    "model.width=4",
    "recipe.epochs=2",
    "trainer=cpu",
    "pictures=false",
)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable:
    """command(name, *words) -> (exit code, standard output, standard error); outputs go to tmp_path."""
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def run(name: str, *words: str) -> tuple[int, str, str]:
        place = [] if any("outputs_dir=" in word for word in words) else [f"outputs_dir={tmp_path}"]
        monkeypatch.setattr(sys, "argv", [f"ptycho-{name}", *words, *place])
        capsys.readouterr()
        code = 0
        try:
            COMMANDS[name]()
        except SystemExit as exit_:
            code = exit_.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def small_run(command: Callable, tmp_path: Path) -> Path:
    """Folder of a finished small run."""
    code, _, err = command("train", *SMALL_RUN)
    assert code == 0, err
    return next((tmp_path / "runs" / "default").iterdir())
