"""Files that are written completely or not at all, and that replace nothing but regular files."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.data.owner import host_tag, process_exists

if TYPE_CHECKING:
    import h5py

TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)\.partial")
KINDS = {"d": "a folder", "l": "a symbolic link", "c": "a device", "b": "a device", "p": "a pipe", "s": "a socket"}


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, by a temporary file and a rename.

    Raises:
        ValueError: If the path names something other than a regular file.
        OSError: If the folder cannot be written or the disk is full; no incomplete file is left behind.
    """
    try:
        with replacing(path) as partial, partial.open("xb") as handle:
            handle.write(content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def written_whole(path: Path, size: int = 0) -> Iterator["h5py.File"]:
    """Open a temporary HDF5 file that is renamed to `path` at the end, or removed if an error occurs.

    Args:
        path: path of the file; its folder is created.
        size: expected number of bytes, so that a full disk is noticed before HDF5 writes to it.

    Raises:
        ValueError: If the path names something other than a regular file.
        OSError: If the folder cannot be written or the disk is full.
    """
    import h5py

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            reserve(partial, size)
            with h5py.File(partial, "w") as handle:
                yield handle
    except (OSError, RuntimeError) as error:
        raise OSError(f"cannot write {path}: {error}; free some space or set outputs_dir=FOLDER") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file that becomes `path` at the end, or is removed if an error occurs.

    Temporary files that dead processes of this machine have left in the same folder are removed first.

    Raises:
        ValueError: If the path names something other than a regular file.
    """
    regular_file_exists(path)
    remove_abandoned(path.parent)
    partial = temporary(path)
    partial.unlink(missing_ok=True)
    try:
        yield partial
        regular_file_exists(path)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def temporary(path: Path) -> Path:
    """Return the path of this process's temporary file beside a file."""
    return path.with_name(f".{path.name}.{host_tag()}-{os.getpid()}.partial")


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files in a folder whose processes ran on this machine and no longer exist."""
    with contextlib.suppress(OSError):  # what cannot be removed stays
        for entry in list(os.scandir(folder)):
            found = TEMPORARY.fullmatch(entry.name)
            if found and found["host"] == host_tag() and not process_exists(found["pid"]):
                delete_regular(Path(entry.path))


def delete_regular(path: Path) -> None:
    """Delete a regular file; anything else stays."""
    if is_regular(path):
        path.unlink(missing_ok=True)


def is_regular(path: Path) -> bool:
    """Return True for a regular file, False for a symbolic link or if there is nothing."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def regular_file_exists(path: Path) -> bool:
    """Return True if a path names a regular file, and False if it names nothing.

    Raises:
        ValueError: If it names something else, which is never replaced.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.filemode(mode)[0], "something else")
        raise ValueError(f"{path} is {kind}, and only regular files are replaced; choose another path")
    return True


def check_output(
    path: Path, *, overwrite: bool, way_out: str = "overwrite=true replaces it, out=FILE names another"
) -> None:
    """Check that a command may write its result to a file.

    Args:
        path: the file.
        overwrite: whether the user asked for a file to be replaced.
        way_out: the end of the message, which names the options.

    Raises:
        ValueError: If the file exists and is not to be replaced, or the path names something other than a regular file.
    """
    if regular_file_exists(path) and not overwrite:
        raise ValueError(f"{path} exists; {way_out}")


def reserve(path: Path, size: int) -> None:
    """Raise OSError if `size` bytes do not fit on the disk; HDF5 would crash the process while it writes."""
    with open(path, "xb") as handle:
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(handle.fileno(), 0, size)
            except OSError as error:
                raise OSError(f"{error.strerror}, {size / 1e6:.0f} MB are needed") from error
