"""Of all who want a run, one has it, and a dead one does not keep it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ptycho_bench.records import lock
from ptycho_bench.records.lock import LockLostError, RunLock, claimed, machine


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "run-1"


def lock_of(folder, **about):
    """A lock file as another process left it."""
    path = RunLock(folder).path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about))
    return path


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_held_run_is_nobody_elses_and_free_afterwards(folder):
    with claimed(folder) as owner:
        assert owner is None
        with claimed(folder) as other:
            assert other.startswith(f"process {os.getpid()} on ")
        assert RunLock(folder).path.exists()
    assert list(folder.parent.iterdir()) == []
    with claimed(folder) as owner:
        assert owner is None


def test_a_failing_block_frees_the_run(folder):
    with pytest.raises(ZeroDivisionError), claimed(folder):
        1 / 0  # noqa: B018
    assert RunLock(folder).take()


def test_a_dead_process_of_this_machine_loses_its_run_at_once(folder):
    lock_of(folder, machine=machine(), pid=dead_process(), token="x")
    with claimed(folder) as owner:
        assert owner is None


@pytest.mark.parametrize(("age_s", "free"), [(0, False), (55, False), (65, True)])
@pytest.mark.parametrize("about", [{"machine": "another:1", "pid": 1}, {}])
def test_another_machines_run_is_free_once_its_lock_is_no_longer_touched(folder, age_s, free, about):
    path = lock_of(folder, **about)
    os.utime(path, (time.time() - age_s,) * 2)
    with claimed(folder) as owner:
        assert (owner is None) == free


def test_a_lock_cut_in_the_middle_of_writing_goes_by_its_age(folder):
    path = lock_of(folder)
    path.write_text('{"mach')
    assert RunLock(folder).owner() == "process ? on ?"
    os.utime(path, (0, 0))
    assert RunLock(folder).take()


def test_of_many_who_find_a_dead_owner_one_takes_over(folder):
    pid = dead_process()
    for _ in range(30):
        lock_of(folder, machine=machine(), pid=pid, token="x")
        locks, start = [RunLock(folder) for _ in range(8)], threading.Barrier(8)
        taken = []

        def contend(own, start=start, taken=taken):
            start.wait()
            if own.take():
                taken.append(own)

        threads = [threading.Thread(target=contend, args=(own,)) for own in locks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        holders = [own for own in taken if own.held()]
        assert len(holders) == 1
        holders[0].release()
    assert list(folder.parent.iterdir()) == []


def test_the_heart_beats_while_the_run_is_held(folder, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    with claimed(folder):
        path = RunLock(folder).path
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > time.time() - 60


def test_a_process_whose_run_was_taken_over_stops_and_leaves_the_new_lock(folder, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    with pytest.raises(LockLostError, match="was taken over by another process"), claimed(folder):
        lock_of(folder, machine="another:1", pid=1)
        for _ in range(1000):
            time.sleep(0.01)
    assert json.loads(RunLock(folder).path.read_text())["machine"] == "another:1"


def test_a_file_system_without_links_has_locks_too(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    with claimed(folder) as owner, claimed(folder) as other:
        assert owner is None and other is not None


def test_a_lost_run_is_told_at_the_latest_when_its_work_is_done(folder, monkeypatch):
    """Where an interrupt does not come through, as in a library that ignores it."""
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    monkeypatch.setattr(lock._thread, "interrupt_main", lambda: None)
    with pytest.raises(LockLostError, match="was taken over"), claimed(folder):
        lock_of(folder, machine="another:1", pid=1)
        time.sleep(0.3)


def test_a_process_that_was_started_to_ignore_interrupts_heeds_them_while_it_holds_a_run(folder):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with claimed(folder):
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_file_system_that_is_away_for_a_moment_does_not_stop_the_heart(folder, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    whole, away = os.utime, [OSError(116, "Stale file handle")] * 3

    def flaky(path):
        if away:
            raise away.pop()
        whole(path)

    with claimed(folder):
        path = RunLock(folder).path
        whole(path, (0, 0))
        monkeypatch.setattr(os, "utime", flaky)
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not away and path.stat().st_mtime > 0
