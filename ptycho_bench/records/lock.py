"""Who is at work on a run: a file beside its folder, kept fresh by a heartbeat, so that no two train the same run."""

import _thread
import json
import os
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BEAT_S = 10.0  # between signs of life
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
STALE_S = 60.0  # without one an owner on another machine is taken for dead


class LockLostError(RuntimeError):
    """Another process took the run over while this one was held up, as by a suspended machine."""


class RunLock:
    """One process's claim on a run folder.

    A lock is stale where its owner ran on this machine and is gone, or where it has not been touched for `STALE_S` by
    the clock of the file system itself, so that the clocks of two machines need not agree. A stale one is taken over.

    Args:
        folder: of the run; the lock lies beside it, so that clearing the folder leaves it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder.with_name(f".{folder.name}.lock")
        self.mine = json.dumps({"machine": machine(), "pid": os.getpid(), "token": uuid.uuid4().hex}).encode()
        self.lost = False

    def owner(self) -> str | None:
        """Who holds the run, for a message; None where nobody does or the holder is dead."""
        found = self.content()
        if found is None or self.stale(found):
            return None
        about = read_owner(found)
        return f"process {about.get('pid', '?')} on {str(about.get('machine', '?')).partition(':')[0]}"

    def content(self) -> bytes | None:
        """What the lock file holds; None: there is none."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def stale(self, found: bytes) -> bool:
        """True where the owner of a lock with this content shows no sign of life."""
        about = read_owner(found)
        if about.get("machine") == machine() and not alive(about.get("pid")):
            return True
        probe = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.now")
        try:
            probe.touch()
            return probe.stat().st_mtime - self.path.stat().st_mtime > STALE_S
        except FileNotFoundError:
            return False  # released this moment: the next try will see
        finally:
            probe.unlink(missing_ok=True)

    def take(self) -> bool:
        """Claim the run. False where a living process holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            found = self.content()
            if found is None:
                if self.place(self.mine):
                    return True
            elif self.stale(found):
                self.bury(found)
            elif self.content() == found:
                return False

    def place(self, content: bytes) -> bool:
        """Put a lock with this content in place, whole from the first moment. False where there is one already."""
        partial = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.partial")
        partial.write_bytes(content)
        try:
            os.link(partial, self.path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            try:
                with open(self.path, "xb") as handle:
                    handle.write(content)
            except FileExistsError:
                return False
        finally:
            partial.unlink(missing_ok=True)
        return True

    def bury(self, found: bytes) -> None:
        """Remove a stale lock; one that another process has put in its place meanwhile is put back."""
        grave = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.grave")
        try:
            os.rename(self.path, grave)
        except FileNotFoundError:
            return
        try:
            if (taken := grave.read_bytes()) != found:
                self.place(taken)
        finally:
            grave.unlink(missing_ok=True)

    def held(self) -> bool:
        """Whether the lock in place is this one."""
        return self.content() == self.mine

    def release(self) -> None:
        """Give the run free, where it is still this process's."""
        if self.held():
            self.path.unlink(missing_ok=True)

    def beat(self, stop: threading.Event) -> None:
        """Touch the lock until told to stop; where it is no longer this process's, interrupt the main thread."""
        while not stop.wait(BEAT_S):
            try:
                if self.held():
                    os.utime(self.path)
                    continue
            except OSError:  # a file system that is away for a moment, or the file is: the next beat looks again
                continue
            self.lost = True
            _thread.interrupt_main()
            return


@contextmanager
def claimed(folder: Path) -> Iterator[str | None]:
    """Hold a run while the block runs. Gives None; or who has it, where a living process does, and holds nothing.

    Raises:
        LockLostError: the run was taken over while this process was held up; what it would write now is not wanted.
    """
    lock = RunLock(folder)
    while not lock.take():
        if (owner := lock.owner()) is not None:
            yield owner
            return
    stop = threading.Event()
    before = heeding_interrupts()
    heart = threading.Thread(target=lock.beat, args=(stop,), daemon=True)
    heart.start()
    lost = LockLostError(f"{folder} was taken over by another process while this one was held up")
    try:
        yield None
    except BaseException as error:
        if lock.lost:
            raise lost from error
        raise
    finally:
        stop.set()
        heart.join()
        lock.release()
        if before is not None:
            signal.signal(signal.SIGINT, before)
    if lock.lost:
        raise lost


def heeding_interrupts() -> object | None:
    """Let this process be interrupted where it was started to ignore that, as by a shell's &.

    Returns:
        What was before; None where nothing was changed.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGINT, signal.default_int_handler)


def machine() -> str:
    """This machine by host, its present start, and, where containers share one, the space of their process numbers."""
    try:
        space = f"{os.stat('/proc/self/ns/pid').st_ino}:{BOOT_ID.read_text().strip()}"
    except OSError:
        space = "0"
    return f"{socket.gethostname()}:{space}"


def alive(pid: object) -> bool:
    """True where a process of this machine has that number."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def read_owner(content: bytes) -> dict:
    """Machine and process of a lock; empty where it cannot be read."""
    try:
        about = json.loads(content)
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}
