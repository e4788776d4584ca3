"""Suggest the next command for a scan."""

import shlex
from collections.abc import Sequence

from ptycho_bench.data.scan import PtychoScan


def next_command(files: Sequence[str], overrides: Sequence[str], scan: PtychoScan, *, own: bool) -> str:
    """Return the command to run next, quoted for a shell.

    Args:
        files: the scan's files.
        overrides: import options that the user gave.
        scan: the scan that was read from them.
        own: whether the file is in this project's format.
    """
    if not own:
        return shlex.join(["ptycho-import", *files, *overrides])
    if scan.amplitude is None:
        return shlex.join(["ptycho-reconstruct", *files, "solver=rpie", "triplets=true"])
    words = ["ptycho-train", "data=file", f"data.file_path={files[0]}"]
    if not scan.info.origin.startswith("simulated"):
        words.append("split=region")
    return shlex.join(words)
