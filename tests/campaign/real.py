"""Processes of their own, whose output goes to files beside the sandbox."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.campaign.case import Outcome
from tests.campaign.processes import cpu_seconds
from tests.campaign.sandbox import sandbox_of

MEMORY, FILE = 8 * 2**30, 2 * 2**30  # bytes: address space of a process, size of a file


class Process:
    """A real process with its output in files beside the sandbox.

    Args:
        line: the command line.
        work: folder in which it runs.
        environment: its environment variables.
        name: of the files.
    """

    def __init__(self, line: Sequence[str], work: Path, environment: dict[str, str], name: str) -> None:
        self.paths = [output_file(work, f"{name}.{stream}") for stream in ("out", "err")]
        self.since = time.monotonic()

        with self.paths[0].open("w") as out, self.paths[1].open("w") as err:
            self.popen = subprocess.Popen(
                line, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip
        resource.prlimit(self.popen.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))

    def seconds(self) -> float:
        """Return the time since the start, seconds."""
        return time.monotonic() - self.since

    def cpu_s(self) -> float:
        """Return the processor time of the process and its children so far, seconds."""
        return cpu_seconds(self.popen.pid)

    def send(self, number: int) -> None:
        """Send a signal if the process still lives."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def outcome(self, limit_s: float) -> Outcome:
        """Wait for the end and return it; a process that takes too long is killed with its group."""
        late = False
        try:
            self.popen.wait(max(0.1, limit_s - self.seconds()))
        except subprocess.TimeoutExpired:
            late = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
        out, err = (path.read_text(errors="replace") for path in self.paths)
        return Outcome(self.popen.returncode, self.seconds(), out, err, late)


def output_file(work: Path, name: str) -> Path:
    """Return the file for what a process prints: beside the sandbox, not in it."""
    return sandbox_of(work).with_name(f"{sandbox_of(work).name}.{name}")


def filled(words: Sequence[str], work: Path) -> list[str]:
    """Return the words with the path of the sandbox in place of {root}."""
    return [word.replace("{root}", str(sandbox_of(work))) for word in words]
