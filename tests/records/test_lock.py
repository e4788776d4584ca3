"""One process holds the lock of a run, and the lock of a dead process is taken over."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ptycho_bench.records import lock
from ptycho_bench.records.lock import LockLostError, RunLock, claimed, host_identity


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "run-1"


def write_lock(folder, **record):
    """Write the lock file of another process."""
    path = RunLock(folder).path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def dead_process():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_held_run_is_refused_to_others_and_free_afterwards(folder):
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
    assert RunLock(folder).acquire()


def test_the_lock_of_a_dead_process_of_this_machine_is_taken_over_at_once(folder):
    write_lock(folder, machine=host_identity(), pid=dead_process(), token="x")
    with claimed(folder) as owner:
        assert owner is None


@pytest.mark.parametrize(("age_s", "free"), [(0, False), (55, False), (65, True)])
@pytest.mark.parametrize("record", [{"machine": "another:1", "pid": 1}, {}])
def test_the_lock_of_another_machine_is_taken_over_once_it_has_not_been_touched_for_a_minute(
    folder, age_s, free, record
):
    path = write_lock(folder, **record)
    os.utime(path, (time.time() - age_s,) * 2)
    with claimed(folder) as owner:
        assert (owner is None) == free


def test_an_incomplete_lock_is_judged_by_its_age(folder):
    path = write_lock(folder)
    path.write_text('{"mach')
    assert RunLock(folder).owner() == "process ? on ?"
    os.utime(path, (0, 0))
    assert RunLock(folder).acquire()


def test_exactly_one_of_many_processes_takes_over_from_a_dead_owner(folder):
    pid = dead_process()
    for _ in range(30):
        write_lock(folder, machine=host_identity(), pid=pid, token="x")
        locks, start = [RunLock(folder) for _ in range(8)], threading.Barrier(8)
        acquired = []

        def contend(run_lock, start=start, acquired=acquired):
            start.wait()
            if run_lock.acquire():
                acquired.append(run_lock)

        threads = [threading.Thread(target=contend, args=(run_lock,)) for run_lock in locks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        holders = [run_lock for run_lock in acquired if run_lock.is_held()]
        assert len(holders) == 1
        holders[0].release()
    assert list(folder.parent.iterdir()) == []


def test_the_lock_is_touched_while_the_run_is_held(folder, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    with claimed(folder):
        path = RunLock(folder).path
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > time.time() - 60


def test_a_process_whose_run_was_taken_over_stops_and_keeps_the_new_lock(folder, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    with pytest.raises(LockLostError, match="was taken over by another process"), claimed(folder):
        write_lock(folder, machine="another:1", pid=1)
        for _ in range(1000):
            time.sleep(0.01)
    assert json.loads(RunLock(folder).path.read_text())["machine"] == "another:1"


def test_locks_work_on_a_file_system_without_hard_links(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError("hard links are not supported")

    monkeypatch.setattr(os, "link", refuse)
    with claimed(folder) as owner, claimed(folder) as other:
        assert owner is None and other is not None


def test_a_lost_run_is_reported_at_the_latest_when_its_work_is_done(folder, monkeypatch):
    """This covers interrupts that do not arrive, for example because a library ignores them."""
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(lock._thread, "interrupt_main", lambda: None)
    with pytest.raises(LockLostError, match="was taken over"), claimed(folder):
        write_lock(folder, machine="another:1", pid=1)
        time.sleep(0.3)


def test_a_process_that_ignores_interrupts_receives_them_while_it_holds_a_run(folder):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with claimed(folder):
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_heartbeat_survives_a_file_system_that_is_unavailable_for_a_moment(folder, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    utime, errors = os.utime, [OSError(116, "Stale file handle")] * 3

    def flaky(path):
        if errors:
            raise errors.pop()
        utime(path)

    with claimed(folder):
        path = RunLock(folder).path
        utime(path, (0, 0))
        monkeypatch.setattr(os, "utime", flaky)
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not errors and path.stat().st_mtime > 0


@pytest.mark.parametrize("step", ["link", "rename"])
def test_a_process_that_is_killed_while_it_acquires_a_lock_leaves_nothing_for_good(folder, step):
    """The process dies after the step, before it can remove its temporary file."""
    if step == "rename":
        write_lock(folder, machine=host_identity(), pid=dead_process(), token="x")
    program = (
        "import os, sys; from pathlib import Path; from ptycho_bench.records import lock\n"
        f"step = os.{step}\n"
        f"os.{step} = lambda *paths: (step(*paths), os.kill(os.getpid(), 9))\n"
        "lock.RunLock(Path(sys.argv[1])).acquire()"
    )
    subprocess.run([sys.executable, "-c", program, folder], check=False)
    assert any(file.name.endswith(".partial") for file in folder.parent.iterdir())
    with claimed(folder) as owner:
        assert owner is None
    assert list(folder.parent.iterdir()) == []


def test_a_full_disk_leaves_no_empty_lock(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lock.Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"), claimed(folder):
        pass
    assert list(folder.parent.iterdir()) == []


def test_the_current_folder_can_be_claimed(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with claimed(lock.Path()):
        assert (tmp_path / ".here.lock").is_file()
