"""Files that are written completely or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, by a temporary file and a rename.

    Raises:
        OSError: If the folder cannot be written or the disk is full; no incomplete file is left behind.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path, size: int = 0) -> Iterator["h5py.File"]:
    """Open a temporary HDF5 file that is renamed to `path` at the end, or removed if an error occurs.

    Args:
        path: path of the file; its folder is created.
        size: expected number of bytes, so that a full disk is noticed before HDF5 writes to it.

    Raises:
        OSError: If the folder cannot be written or the disk is full.
    """
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        reserve(partial, size)
        with h5py.File(partial, "w") as handle:
            yield handle
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:
        raise OSError(f"cannot write {path}: {error}; free some space or set outputs_dir=FOLDER") from error
    finally:
        partial.unlink(missing_ok=True)


def reserve(path: Path, size: int) -> None:
    """Raise OSError if `size` bytes do not fit on the disk; HDF5 would crash the process while it writes."""
    with open(path, "wb") as handle:
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(handle.fileno(), 0, size)
            except OSError as error:
                raise OSError(f"{error.strerror}, {size / 1e6:.0f} MB are needed") from error
