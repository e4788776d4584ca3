"""A folder for one case, with files of a user beside it that no command may touch."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

WORK = "user/desk/work"  # where commands run, so that ../../ still lies in the sandbox
EXECUTED = "EXECUTED"  # file that hostile files try to create
OURS = ("outputs", "home", "tmp", "disk")  # below the working folder: places where commands write
TEMPORARY = re.compile(r"\.partial$|^\..*\.lock|\.(removed|now)$|^tmp|^pymp-|^core(\.\d+)?$")
CANARIES = {
    "project/thesis.txt": "five years of work\n",
    "project/config.yaml": "experiment: mine\n",
    "project/env.json": '{"python": "of another program"}\n',
    "project/results.json": '{"of": "another program"}\n',
    "project/data/raw.csv": "1,2,3\n",
    "project/small/report.md": "# My own report\n",
    "../notes.txt": "one level up\n",
    "../../mail.txt": "two levels up\n",
}


def created(root: Path) -> Path:
    """Create a fresh sandbox in place of an earlier one and return its working folder."""
    removed(root)
    work = root / WORK
    for name, text in CANARIES.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (work / "project/latest").symlink_to("thesis.txt")
    for name in ("home", "tmp"):
        (work / name).mkdir()
    return work


def sandbox_of(work: Path) -> Path:
    """Return the sandbox of a working folder."""
    return work.parents[len(Path(WORK).parts) - 1]


def removed(root: Path) -> None:
    """Remove a sandbox and unmount what is mounted below it."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed([path for path in mounted if path.startswith(f"{root}/")]):
        subprocess.run(["umount", "-l", place], check=True)
    shutil.rmtree(root, ignore_errors=True)


def files_below(folder: Path) -> list[Path]:
    """Return everything below a folder except folders; links are not followed."""
    found = []
    for place, folders, names in os.walk(folder):
        found += [Path(place, name) for name in names]
        found += [Path(place, name) for name in folders if Path(place, name).is_symlink()]
    return found


def fingerprint(path: Path) -> str:
    """Return what identifies a file: its kind, and its content or target."""
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{stat.filemode(mode)} {os.readlink(path) if stat.S_ISLNK(mode) else ''}"


def snapshot(root: Path) -> dict[Path, str]:
    """Return the fingerprint of each file of a sandbox."""
    return {path: fingerprint(path) for path in files_below(root)}


def is_of_commands(path: Path, work: Path) -> bool:
    """Return True for a file that commands may write: below `outputs` and the like, and not called canary."""
    return any(path.is_relative_to(work / name) for name in OURS) and "canary" not in path.name


def lost(before: dict[Path, str], work: Path) -> list[str]:
    """Return the user's files that were changed or removed."""
    own = (path for path in before if not is_of_commands(path, work))
    return [os.path.relpath(p, work) for p in own if not os.path.lexists(p) or fingerprint(p) != before[p]]


def strayed(before: dict[Path, str], root: Path, work: Path, places: tuple[str, ...]) -> list[str]:
    """Return new files outside of the folders and files that the command line names."""
    allowed = [work / name for name in (*OURS, *places)]
    new = (path for path in files_below(root) if path not in before)
    return [os.path.relpath(p, work) for p in new if not any(p.is_relative_to(place) for place in allowed)]


def temporary(before: dict[Path, str], root: Path) -> list[str]:
    """Return temporary files and locks that were not there before, and half results beside an error.txt."""
    new = [path for path in files_below(root) if path not in before]
    half = [path for path in new if path.name in ("object.h5", "object.cxi") and (path.parent / "error.txt").exists()]
    return [path.name for path in new if TEMPORARY.search(path.name)] + [path.name for path in half]
