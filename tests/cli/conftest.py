"""Run the commands in this process, on a scan so small that most of them take about a second."""

import csv
import io
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

import pytest
import torch
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra

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
from ptycho_bench.cli.errors import FULL_ERROR
from ptycho_bench.config.registry import TRUST_VARIABLE

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
SMALL_TRAINING = (
    "split=ppn",
    "split.train_rows=[0,10]",
    "split.test_rows=[10,15]",
    "split.test_columns=[0,6]",
    "model=ptychonn",
    "input=counts",
    "loss=weighted",
    "model.width=4",
    "model.narrowest=4",
    "recipe.epochs=2",
    "trainer=cpu",
    "pictures=false",
)
SMALL_RUN = (*SMALL_SCAN, *SMALL_TRAINING)
VARYING = ("seconds", "peak_memory_mb")  # columns of metrics.csv that differ from run to run


def run_command(name: str, *words: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, its output and its error output."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        for variable in (FULL_ERROR, TRUST_VARIABLE):  # a command may set these for the processes that it starts
            patched.setenv(variable, os.environ.get(variable, ""))
        patched.setattr(sys, "argv", [f"ptycho-{name}", *words])
        patched.setattr(Hydra, "get_mode", lambda *_, **__: None)  # composes everything again for hydra.mode alone
        try:
            COMMANDS[name]()
        except SystemExit as exit_:
            code = exit_.code
    return code, out.getvalue(), err.getvalue()


class Forked:
    """A command in a process of its own, with the methods of `subprocess.Popen` that this project uses.

    The process is a fork of this one, so that it need not import torch and Lightning, which takes some seconds.

    Args:
        command: its words, the first one with `ptycho-`.
        log: file for what it prints; None drops it.
        environment: environment variables.
    """

    def __init__(
        self, command: Sequence[str], log: TextIO | None = None, environment: Mapping[str, str] = os.environ
    ) -> None:
        arguments = (command, log, dict(environment))
        self.process = multiprocessing.get_context("fork").Process(target=run_forked, args=arguments, daemon=True)
        self.process.start()
        self.pid, self.wait = self.process.pid, self.process.join
        self.kill, self.terminate = self.process.kill, self.process.terminate

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode


def run_forked(command: Sequence[str], log: TextIO | None, environment: Mapping[str, str]) -> None:
    """Run a command in a forked process."""
    os.environ.update(environment)
    torch.set_num_threads(1)  # the threads of this pool have not been forked
    GlobalHydra.instance().clear()
    code, out, err = run_command(command[0].removeprefix("ptycho-"), *command[1:])
    if log is not None:
        log.write(out + err)
        log.flush()
    sys.exit(code)


def error_line(result: tuple[int, str, str]) -> str:
    """Check that a command failed with exit code 1 and a single line; return that line."""
    code, _, err = result
    assert code == 1, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


def only_run(outputs: Path, study: str = "default") -> Path:
    """Return the folder of the only run of a study."""
    (folder,) = (outputs / "runs" / study).iterdir()
    return folder


def record(folder: Path) -> dict:
    """Return the content of a folder's results.json."""
    return json.loads((folder / "results.json").read_text())


def rows_of(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a run's metrics.csv, without the columns that differ from run to run."""
    with (folder / "metrics.csv").open() as handle:
        return [{k: v for k, v in row.items() if k not in VARYING} for row in csv.DictReader(handle)]


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights in a checkpoint."""
    return torch.load(path, weights_only=True)["state_dict"]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """command(name, *words) -> (exit code, output, error output); outputs go to tmp_path unless named."""
    for variable in (FULL_ERROR, TRUST_VARIABLE):
        monkeypatch.delenv(variable, raising=False)

    def run(name: str, *words: str) -> tuple[int, str, str]:
        place = [] if any("outputs_dir=" in word for word in words) else [f"outputs_dir={tmp_path}"]
        return run_command(name, *words, *place)

    return run


@pytest.fixture(scope="session")
def scan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of the small scan, 225 patterns of 16 px; read it only."""
    path = tmp_path_factory.mktemp("scan") / "scan.h5"
    code, _, err = run_command("simulate", *SMALL_SCAN, f"out={path}")
    assert code == 0, err
    return path


@pytest.fixture(scope="session")
def finished_outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder with the small run, finished, and its simulated scan; read it only."""
    outputs = tmp_path_factory.mktemp("outputs")
    code, _, err = run_command("train", *SMALL_RUN, f"outputs_dir={outputs}")
    assert code == 0, err
    return outputs


@pytest.fixture
def small_run(finished_outputs: Path, tmp_path: Path) -> Path:
    """Folder of the small run, finished, as a copy in tmp_path beside its simulated scan."""
    shutil.copytree(finished_outputs, tmp_path, dirs_exist_ok=True)
    return only_run(tmp_path)


@pytest.fixture
def forked_jobs(finished_outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ptycho-sweep fork its jobs, from a process that has trained before and has thus imported everything."""
    monkeypatch.setattr("ptycho_bench.benchmark.workers.launch", Forked)
