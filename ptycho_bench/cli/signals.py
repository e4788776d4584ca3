"""Signals that end a command: one line that tells how to continue, and the exit code that shells expect."""

import _thread
import atexit
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from ptycho_bench.records.lock import LockLostError
from ptycho_bench.training.processes import PARENT_VARIABLE, shares_work

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
AGAIN_S = 0.05  # time after which an interruption that has been lost is repeated
PATIENCE_S = 5.0  # a signal that comes later than this after the first one ends the process at once
POLL_S = 1.0  # interval between two checks of the parent process
GRACE_S = 30.0  # time that a process has to end after its parent has died


class Interrupted(BaseException):
    """A signal asks this process to end. This is no `Exception`, so that libraries let it pass.

    Args:
        number: number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Handler:
    """Raises `Interrupted` at the first signal, and ends the process if it still runs at a later one.

    A signal within `PATIENCE_S` of the first one is ignored: a terminal and a sweep may both send one.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.first_s = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number, self.first_s = number, time.monotonic()
            raise Interrupted(number)
        if time.monotonic() - self.first_s > PATIENCE_S:
            os._exit(128 + number)

    def repeat_lost(self, lost: "sys.UnraisableHookArgs") -> None:
        """Repeat an interruption that Python has dropped, as it drops every exception in the cleanup of an object."""
        if isinstance(lost.exc_value, Interrupted):
            self.number = None
            threading.Timer(AGAIN_S, _thread.interrupt_main, (lost.exc_value.number,)).start()
        else:
            sys.__unraisablehook__(lost)


HANDLER = Handler()


def handle_signals() -> Mapping[int, object]:
    """Raise `Interrupted` at each signal that this process does not ignore, as it ignores SIGHUP under nohup.

    Returns:
        The previous handlers by signal; none outside the main thread, where handlers cannot be set.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    HANDLER.number = None
    sys.unraisablehook = HANDLER.repeat_lost
    handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, HANDLER) for number in handled}


@contextmanager
def ended_by_signals(command: str) -> Iterator[None]:
    """Handle signals inside the block: if one arrives, print a line and exit with 128 plus its number.

    Args:
        command: name of the root file in conf/ of the command.
    """
    previous_hook = sys.unraisablehook
    previous = handle_signals()
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as interruption:  # an ignored SIGINT is enabled by a lock
        if not shares_work():
            print(advice(interruption, command), file=sys.stderr)
        sys.exit(128 + getattr(interruption, "number", signal.SIGINT))
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        sys.unraisablehook = previous_hook
        atexit.unregister(restore_defaults)
        atexit.register(restore_defaults)


def restore_defaults() -> None:
    """Let a signal end this process without a traceback while the interpreter shuts down."""
    for number in SIGNALS:
        if signal.getsignal(number) is signal.default_int_handler:
            signal.signal(number, signal.SIG_DFL)


def advice(interruption: BaseException, command: str) -> str:
    """Return the line that a user reads after an interruption; a training has noted in it how far it has come."""
    notes = getattr(interruption, "__notes__", [])
    line = f"{' '.join(['interrupted', *notes])}; the same command"
    if notes and "overwrite=true" in sys.argv:
        return f"{line} without overwrite=true continues"
    continues = notes or command == "sweep" or {"-m", "--multirun"} & set(sys.argv)
    return f"{line} {'continues' if continues else 'starts again'}"


def interruption_behind(error: Exception) -> Interrupted | None:
    """Return the interruption after which an error has occurred, or None; code in C may turn one into the other.

    A lost lock interrupts the main thread too, but is an error.
    """
    if isinstance(error, LockLostError):
        HANDLER.number = None  # the next signal interrupts again
    if HANDLER.number is None:
        return None
    interruption = Interrupted(HANDLER.number)
    for note in getattr(error, "__notes__", ()):
        interruption.add_note(note)
    return interruption


def watch_parent(parent: int | None = None) -> None:
    """End this process when the one that has started it ends, whatever ends that one.

    Args:
        parent: number of that process; None takes it from the environment variable `PARENT_VARIABLE`, which is
            removed; if there is none either, nothing is watched.
    """
    named = os.environ.pop(PARENT_VARIABLE, "")
    if parent is None and named.isdigit():
        parent = int(named)
    if parent is not None:
        start_watch(parent)


@functools.cache
def start_watch(parent: int) -> None:
    """Watch a parent process from a thread, once."""
    threading.Thread(target=end_after, args=(parent,), daemon=True).start()


def end_after(parent: int) -> None:
    """Wait until this process has another parent, then end it."""
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(128 + signal.SIGTERM)
