"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: the folder cannot be written or the disk is full; nothing half-written stays behind.
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
    """An HDF5 file to fill, that takes its place at the end, by a rename; on an error nothing of it stays.

    Args:
        path: the file; its folder is made.
        size: bytes it will need, so that a disk too small is met before HDF5 meets it.

    Raises:
        OSError: the folder cannot be written or the disk is full.
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
    """Raise OSError now where `size` bytes do not fit: HDF5 that meets a full disk takes the process down with it."""
    with open(path, "wb") as handle:
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(handle.fileno(), 0, size)
            except OSError as error:
                raise OSError(f"{error.strerror}, {size / 1e6:.0f} MB are needed") from error
