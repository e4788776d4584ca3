"""Several processes that need the same run, and processes that are killed."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from ptycho_bench.data.store import read_scan
from ptycho_bench.training.module import PtychoModule
from tests.cli.conftest import SMALL_RUN, SMALL_SCAN, Forked

LIMIT_S = 120


@pytest.fixture
def started(tmp_path):
    """started(name, *words) -> the command in a process of its own, with outputs in tmp_path; killed at the end."""
    running = []

    def start(name: str, *words: str) -> Forked:
        running.append(Forked([f"ptycho-{name}", *words, f"outputs_dir={tmp_path}"]))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def wait_for(find: Callable[[], object]) -> object:
    """Return the first thing that a function finds."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing was found in {LIMIT_S} s")


def test_a_second_process_skips_the_run_and_a_killed_one_is_continued(command, started, tmp_path, monkeypatch):
    words = (*SMALL_RUN, "recipe.epochs=2000")
    first = started("train", *words)
    rows = wait_for(lambda: next(tmp_path.glob("runs/default/*/metrics.csv"), None))
    code, out, err = command("train", *words)
    assert (code, err) == (0, "")
    assert f"is being trained by process {first.pid} on " in out
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert first.returncode == -signal.SIGKILL
    before = rows.read_text().splitlines()
    last = len(before)  # with the header, one more than the epochs so far: the last one may not have its checkpoint

    def stop(self):
        if self.current_epoch > last:
            raise RuntimeError("stopped here")

    monkeypatch.setattr(PtychoModule, "on_train_epoch_start", stop)
    code, _, err = command("train", *words)
    assert code == 1 and "stopped here" in err
    after = rows.read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert len(list((tmp_path / "runs/default").iterdir())) <= 2  # the run, and perhaps its lock


def test_a_scan_that_two_processes_simulate_at_the_same_time_is_whole(started, tmp_path):
    for process in [started("simulate", *SMALL_SCAN) for _ in range(2)]:
        process.wait(LIMIT_S)
        assert process.returncode == 0
    (file,) = (tmp_path / "data").iterdir()
    assert file.suffix == ".h5"
    assert len(read_scan(file)) == 225
