"""A signal ends a command with one line and the exit code that shells expect, and a killed parent leaves no process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ptycho_bench.cli.signals import (
    HANDLER,
    Interrupted,
    advice,
    ended_by_signals,
    handle_signals,
    interruption_behind,
)
from ptycho_bench.records.lock import LockLostError
from ptycho_bench.training.processes import PARENT_VARIABLE
from tests.cli.conftest import SMALL_RUN, Forked, only_run, record, rows_of, weights_of

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
LIMIT_S = 60
COMMAND = """
import gc, os, signal, sys, time
from ptycho_bench.cli import signals
BEFORE
with signals.ended_by_signals("config"):
    BODY
    time.sleep(20)
print("not interrupted")
"""


READY = "print('ready', flush=True)"


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it has taken too long"
        time.sleep(0.01)


def ended(number: int, body: str = READY, before: str = "") -> tuple[int, str, str]:
    """Start a process that handles signals, send it one; return its exit code, output and error output."""
    script = COMMAND.replace("BODY", body).replace("BEFORE", before)
    with subprocess.Popen([sys.executable, "-c", script], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, out, err


@pytest.mark.parametrize("number", CODES)
def test_each_signal_has_its_exit_code_and_one_line(number):
    assert ended(number) == (CODES[number], "", "interrupted; the same command starts again\n")


def test_an_ignored_signal_stays_ignored_as_under_nohup():
    ignore = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    assert ended(signal.SIGHUP, f"{READY}; time.sleep(1); sys.exit(7)", ignore) == (7, "", "")


def test_an_interruption_in_the_cleanup_of_an_object_is_not_lost():
    body = "Cleaned()"
    before = f"class Cleaned:\n    def __del__(self):\n        {READY}; time.sleep(1)"
    code, _, err = ended(signal.SIGTERM, body, before)
    assert (code, err) == (143, "interrupted; the same command starts again\n")


def test_a_second_signal_leaves_the_cleanup_alone_and_a_late_one_ends_the_process_at_once():
    cleanup = (
        f"try:\n        {READY}; time.sleep(20)\n    finally:\n"
        "        os.kill(os.getpid(), 15); print('clean', flush=True)"
    )
    assert ended(signal.SIGINT, cleanup)[:2] == (130, "clean\n")
    assert ended(signal.SIGINT, cleanup, "signals.PATIENCE_S = 0.0")[:2] == (143, "")


def test_the_handlers_of_the_caller_come_back():
    before = [signal.getsignal(number) for number in CODES]
    with pytest.raises(SystemExit), ended_by_signals("config"):
        raise Interrupted(signal.SIGTERM)
    assert [signal.getsignal(number) for number in CODES] == before


@pytest.mark.parametrize(
    ("note", "words", "command", "line"),
    [
        ("after epoch 3 of 9", [], "config", "interrupted after epoch 3 of 9; the same command continues"),
        ("after epoch 3 of 9", ["overwrite=true"], "config",
         "interrupted after epoch 3 of 9; the same command without overwrite=true continues"),
        (None, ["-m", "seed=0,1"], "config", "interrupted; the same command continues"),
        (None, [], "sweep", "interrupted; the same command continues"),
        (None, [], "import", "interrupted; the same command starts again"),
    ],
)  # fmt: skip
def test_the_line_tells_how_to_continue(monkeypatch, note, words, command, line):
    monkeypatch.setattr(sys, "argv", ["ptycho-x", *words])
    interruption = Interrupted(signal.SIGINT)
    if note:
        interruption.add_note(note)
    assert advice(interruption, command) == line


def test_an_error_that_an_interruption_has_caused_counts_as_one_but_a_lost_lock_does_not(monkeypatch):
    assert interruption_behind(RuntimeError("x")) is None
    monkeypatch.setattr(HANDLER, "number", signal.SIGTERM)
    assert interruption_behind(RuntimeError("the network is gone")).number == signal.SIGTERM
    assert interruption_behind(LockLostError("x")) is None
    assert HANDLER.number is None


def test_outside_the_main_thread_no_handler_is_set(monkeypatch):
    monkeypatch.setattr("threading.current_thread", lambda: None)
    assert handle_signals() == {}


PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", CHILD], env={**os.environ, "VARIABLE": str(os.getpid())})
print(child.pid, flush=True)
time.sleep(60)
"""
CHILD = """
import os, subprocess, time
from ptycho_bench.cli import signals
signals.POLL_S, signals.GRACE_S = 0.05, 0.5
signals.watch_parent()
assert "VARIABLE" not in os.environ
open("watching", "w").close()
BODY
"""
BODIES = {
    "at once": "with signals.ended_by_signals('config'):\n    time.sleep(60)",
    "after a time of grace": "signals.handle_signals()\nwhile True:\n"
    "    try: time.sleep(60)\n    except BaseException: pass",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_process_ends_when_its_parent_is_killed(tmp_path, body):
    child = repr(CHILD.replace("BODY", body)).replace("VARIABLE", PARENT_VARIABLE)
    script = PARENT.replace("CHILD", child).replace("VARIABLE", PARENT_VARIABLE)
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=-1, stderr=subprocess.DEVNULL) as parent:
        pid = int(parent.stdout.readline())
        wait_for((tmp_path / "watching").exists)
        parent.kill()
    wait_for(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    """Return True if a process exists and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", CODES)
def test_an_interrupted_training_tells_where_it_continues_and_ends_like_an_undisturbed_one(command, tmp_path, number):
    words = [*SMALL_RUN, "recipe.epochs=6"]
    with (tmp_path / "log").open("w+") as log:
        process = Forked(["ptycho-train", *words, "study=cut", f"outputs_dir={tmp_path}"], log)
        wait_for(lambda: list(tmp_path.glob("runs/cut/*/last.ckpt")))
        os.kill(process.pid, number)
        process.wait()
        log.seek(0)
        last = log.read().splitlines()[-1]
    assert process.returncode == CODES[number]
    done = last.removeprefix("interrupted after epoch ").partition(" ")[0]
    assert last == f"interrupted after epoch {done} of 6; the same command continues"
    assert not list(only_run(tmp_path, "cut").glob("error.txt"))
    assert not list(tmp_path.glob("runs/cut/.*"))  # the lock is released
    code, out, err = command("train", *words, "study=cut")
    assert code == 0, err
    assert f"continues from epoch {done} of 6" in out.splitlines()
    assert command("train", *words, "study=whole")[0] == 0
    whole, cut = only_run(tmp_path, "whole"), only_run(tmp_path, "cut")
    assert rows_of(cut) == rows_of(whole)
    assert record(cut)["metrics"] == record(whole)["metrics"]
    for name, weight in weights_of(whole / "last.ckpt").items():
        assert weight.equal(weights_of(cut / "last.ckpt")[name]), name
