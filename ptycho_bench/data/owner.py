"""The process that owns a file: on which machine it runs, and whether it still exists."""

import hashlib
import os
import socket
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def host_identity() -> str:
    """Return the host name with the PID namespace and boot ID, within which a process number is unambiguous.

    Containers can share a host name and a kernel but not their process numbers.
    """
    try:
        processes = f"{os.stat('/proc/self/ns/pid').st_ino}:{BOOT_ID.read_text().strip()}"
    except OSError:
        processes = "0"
    return f"{socket.gethostname()}:{processes}"


def host_tag() -> str:
    """Return eight hexadecimal digits that stand for this machine in the names of temporary files."""
    return hashlib.sha256(host_identity().encode()).hexdigest()[:8]


def process_exists(pid: object) -> bool:
    """Return True if a process with this number exists on this machine."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
