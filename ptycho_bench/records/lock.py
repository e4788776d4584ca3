"""Locks on run folders: a file beside the folder, refreshed by a heartbeat, allows one process per run."""

import _thread
import errno
import json
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ptycho_bench.data.atomic import remove_abandoned, temporary
from ptycho_bench.data.owner import host_identity, process_exists

HEARTBEAT_S = 10.0  # interval between two heartbeats
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
STALE_S = 60.0  # an owner on another machine that has not refreshed its lock for this long is considered dead


class LockLostError(RuntimeError):
    """Another process took over the run while this one was stalled, for example because the machine was suspended."""


class RunLock:
    """The lock of one process on a run folder.

    A lock is stale if its owner ran on this machine and no longer exists, or if its file has not been touched for
    `STALE_S`. The clock of the file system measures this age, so the clocks of two machines need not agree. A stale
    lock can be taken over.

    Args:
        folder: folder of the run; the lock file lies beside it, so deleting the folder does not delete the lock.
    """

    def __init__(self, folder: Path) -> None:
        folder = Path(os.path.abspath(folder))  # the name of "." is empty
        self.path = folder.with_name(f".{folder.name}.lock")
        self.record = json.dumps({"machine": host_identity(), "pid": os.getpid(), "token": uuid.uuid4().hex}).encode()
        self.lost = False

    def owner(self) -> str | None:
        """Describe the process that holds the lock; return None if there is no lock or it is stale."""
        record = self.read()
        if record is None or self.is_stale(record):
            return None
        owner = parse_record(record)
        return f"process {owner.get('pid', '?')} on {str(owner.get('machine', '?')).partition(':')[0]}"

    def read(self) -> bytes | None:
        """Return the content of the lock file, or None if it does not exist."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def is_stale(self, record: bytes) -> bool:
        """Return True if the owner named by the content of the lock file shows no sign of life."""
        owner = parse_record(record)
        if owner.get("machine") == host_identity() and not process_exists(owner.get("pid")):
            return True
        now = self.sibling("now")
        try:
            now.touch()
            return now.stat().st_mtime - self.path.stat().st_mtime > STALE_S
        except FileNotFoundError:
            return False  # the lock has just been released; the caller looks again
        finally:
            now.unlink(missing_ok=True)

    def acquire(self) -> bool:
        """Acquire the lock without waiting. Return False if a living process holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(self.path.parent)
        while True:
            record = self.read()
            if record is None:
                if self.create(self.record):
                    return True
            elif self.is_stale(record):
                self.remove_stale(record)
            elif self.read() == record:
                return False

    def create(self, record: bytes) -> bool:
        """Create the lock file, complete from the first moment. Return False if it already exists."""
        complete = self.sibling("new")
        try:
            complete.write_bytes(record)
            os.link(complete, self.path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno in DISK_FULL:
                raise
            return self.create_in_place(record)
        finally:
            complete.unlink(missing_ok=True)
        return True

    def create_in_place(self, record: bytes) -> bool:
        """Create the lock file on a file system without hard links. Return False if it already exists."""
        try:
            with open(self.path, "xb") as handle:
                handle.write(record)
        except FileExistsError:
            return False
        return True

    def remove_stale(self, record: bytes) -> None:
        """Remove the lock file with this content; if another process has replaced it, put the new lock back."""
        removed = self.sibling("removed")
        try:
            os.rename(self.path, removed)
        except FileNotFoundError:
            return
        try:
            if (found := removed.read_bytes()) != record:
                self.create(found)
        finally:
            removed.unlink(missing_ok=True)

    def sibling(self, suffix: str) -> Path:
        """Return the path of a temporary file of this process beside the lock file."""
        return temporary(self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.{suffix}"))

    def is_of_another_process(self) -> bool:
        """Return True if there is a lock, be it stale, of another process."""
        record = self.read()
        if record is None:
            return False
        owner = parse_record(record)
        return (owner.get("machine"), owner.get("pid")) != (host_identity(), os.getpid())

    def is_held(self) -> bool:
        """Return True if this object holds the lock."""
        return self.read() == self.record

    def release(self) -> None:
        """Release the lock if this object still holds it."""
        if self.is_held():
            self.path.unlink(missing_ok=True)

    def keep_alive(self, stop: threading.Event) -> None:
        """Touch the lock file until `stop` is set; interrupt the main thread if another process holds the lock."""
        while not stop.wait(HEARTBEAT_S):
            try:
                if self.is_held():
                    os.utime(self.path)
                    continue
            except OSError:  # the file or its file system is unavailable for a moment; the next heartbeat tries again
                continue
            self.lost = True
            _thread.interrupt_main()
            return


@contextmanager
def claimed(folder: Path) -> Iterator[str | None]:
    """Hold the lock of a run folder while the block runs.

    Yields:
        None if the lock is held. If another living process already holds it, a description of that process.

    Raises:
        LockLostError: If another process took over the run while this one was stalled.
    """
    lock = RunLock(folder)
    while not lock.acquire():
        if (owner := lock.owner()) is not None:
            yield owner
            return
    stop = threading.Event()
    previous_handler = enable_interrupts()
    heartbeat = threading.Thread(target=lock.keep_alive, args=(stop,), daemon=True)
    heartbeat.start()
    lost = LockLostError(f"{folder} was taken over by another process while this process was stalled")
    try:
        yield None
    except BaseException as error:
        if lock.lost:
            raise lost from error
        raise
    finally:
        stop.set()
        heartbeat.join()
        lock.release()
        if previous_handler is not None:
            signal.signal(signal.SIGINT, previous_handler)
    if lock.lost:
        raise lost


def enable_interrupts() -> object | None:
    """Make SIGINT interrupt this process if the process was started to ignore it, for example by `&` in a shell.

    Returns:
        The previous signal handler, or None if nothing was changed.
    """
    previous = signal.getsignal(signal.SIGINT)
    if previous is not signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGINT, signal.default_int_handler)


def parse_record(record: bytes) -> dict:
    """Return the fields of a lock file's content, or an empty dictionary if the content is not valid."""
    try:
        fields = json.loads(record)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
