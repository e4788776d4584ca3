"""Find the processes that a sandbox has left, by their folder or environment, and end exactly these."""

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = "PTYCHO_CAMPAIGN"  # environment variable with the path of the sandbox
POLL_S = 0.1


def living(root: Path) -> dict[int, str]:
    """Return the command line of each living process of a sandbox, by its number."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if belongs(folder, root):
                    found[int(folder.name)] = (
                        (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    )
    return found


def belongs(process: Path, root: Path) -> bool:
    """Return True if a process of /proc runs in a sandbox or has its mark, and is no zombie."""
    if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
        return False
    inside = Path(os.readlink(process / "cwd")).is_relative_to(root)
    return inside or f"{MARK}={root}\0".encode() in (process / "environ").read_bytes()


def cpu_seconds(session: int) -> float:
    """Return the processor time of all processes of a session, which does not depend on the load of the machine."""
    ticks = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15])) if int(fields[3]) == session else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def left_after(root: Path, grace_s: float) -> list[str]:
    """Wait until a sandbox has no process; end those that remain after the grace time and return their commands."""
    deadline = time.monotonic() + grace_s
    while (left := living(root)) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while living(root):
        time.sleep(POLL_S)
    return list(left.values())
