"""Several processes that want the same run, and processes that are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL_RUN

BIN = Path(sys.executable).parent


@pytest.fixture
def started(tmp_path):
    """started(*words) -> a running ptycho-train; killed at the end."""
    running = []

    def start(*words):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HYDRA", "PTYCHO"))}
        command = [str(BIN / "ptycho-train"), *SMALL_RUN, "pictures=false", *words]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment | {"OMP_NUM_THREADS": "1"}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def until(found, limit_s=60):
    """First thing that `found` gives."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if thing := found():
            return thing
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_two_started_at_once_train_one_run_and_the_killed_one_goes_on(started, tmp_path):
    """Both orders of a sweep's life: a second sweep on the same folder, and a kill -9 with a restart right after."""
    first = started("recipe.epochs=2000")
    rows = until(lambda: next(tmp_path.glob("outputs/runs/default/*/metrics.csv"), None))
    out, err = started("recipe.epochs=2000").communicate(timeout=60)
    assert f"is being trained by process {first.pid} on " in out and not err
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = rows.read_text().splitlines()
    again = started("recipe.epochs=2000")
    until(lambda: len(rows.read_text().splitlines()) > len(before) + 1)
    assert rows.read_text().splitlines()[: len(before)] == before
    again.send_signal(signal.SIGTERM)
    again.wait()
    assert len(list((tmp_path / "outputs/runs/default").iterdir())) <= 2  # the run, and perhaps its lock


def test_a_cache_that_two_runs_want_is_made_by_each_and_is_whole(started, tmp_path):
    both = [started("recipe.epochs=1", f"seed={seed}") for seed in (0, 1)]
    for process in both:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert len(list(tmp_path.glob("outputs/runs/default/*/results.json"))) == 2
    assert [file.suffix for file in (tmp_path / "outputs/data").iterdir()] == [".h5"]
