"""Arrays of .npy, .npz and .npz.bz2 files; a member is unpacked as it is read, so its size does not matter."""

import bz2
import functools
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream, frames_per_block
from ptycho_bench.formats.containers.layout import Layout
from ptycho_bench.formats.containers.paths import damage_named, nearest, require_file, suffix_of
from ptycho_bench.formats.containers.units import first_number

SPOOL_BYTES, COPY_BYTES = 2**25, 2**18
NPZ_SUFFIXES = (".npz", ".npz.bz2")


class Archive:
    """Members of an open .npz file.

    Args:
        path: for messages.
        archive: the open file.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        self.members = {name.removesuffix(".npy"): name for name in archive.namelist()}

    def __contains__(self, key: str) -> bool:
        return key in self.members

    def member(self, key: str) -> BinaryIO:
        """A member, open; DataError names the nearest where it is missing."""
        if key not in self.members:
            there = list(self.members)
            raise DataError(
                f"{self.path} has no {key}; {nearest(key, there)}; ptycho-import reads any key with format=keys"
            )
        return self.archive.open(self.members[key])

    def header(self, key: str) -> tuple[tuple[int, ...], bool, np.dtype]:
        """Shape, Fortran order and dtype of a member; nothing else is read."""
        with self.member(key) as stream:
            return read_header(stream, f"{self.path}: {key}")

    def array(self, key: str) -> np.ndarray:
        """A member, whole."""
        with self.member(key) as stream:
            shape, fortran, dtype = read_header(stream, f"{self.path}: {key}")
            array = np.empty(shape[::-1] if fortran else shape, dtype)
            fill(stream, array, f"{self.path}: {key}")
        return array.T if fortran else array

    def number(self, key: str) -> float | None:
        """A member that holds a number; None: no such member."""
        return first_number(self.array(key), f"{self.path}: {key}") if key in self else None


@contextmanager
def unpacked_bz2(path: Path) -> Iterator[BinaryIO]:
    """Content of a .bz2 file in a temporary one, in memory where it is small."""
    with bz2.open(path) as packed, tempfile.SpooledTemporaryFile(SPOOL_BYTES) as whole:
        shutil.copyfileobj(packed, whole, COPY_BYTES)
        whole.seek(0)
        yield whole


@contextmanager
def opened_npz(path: str | Path) -> Iterator[Archive]:
    """A .npz or .npz.bz2 file.

    Raises:
        DataError: it is missing, empty, of another kind, truncated or damaged.
    """
    path = require_file(path)
    packed = suffix_of(path).endswith(".bz2")
    with (
        damage_named(path),
        unpacked_bz2(path) if packed else path.open("rb") as file,
        zipfile.ZipFile(file) as archive,
    ):
        yield Archive(path, archive)


def npz_names(path: str | Path) -> frozenset[str]:
    """Names of a .npz file's members; empty for whatever is none."""
    if not Path(path).is_file() or suffix_of(path) not in NPZ_SUFFIXES:
        return frozenset()
    return names_at(str(path), Path(path).stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def names_at(path: str, mtime_ns: int) -> frozenset[str]:
    """Names of a file as it was at a time: several readers ask, and bz2 is slow."""
    try:
        with opened_npz(path) as archive:
            return frozenset(archive.members)
    except DataError:
        return frozenset()


def read_header(stream: BinaryIO, where: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and dtype of an array that a stream holds in .npy form.

    Raises:
        DataError: it holds Python objects, which are never unpickled, or is of a newer form.
    """
    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    version = npy_format.read_magic(stream)
    if version not in readers:
        raise DataError(f"{where} is .npy of version {version}; save it anew as plain numbers with numpy.save")
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        raise DataError(f"{where} holds pickled Python objects, which are never unpickled; save it as plain numbers")
    return shape, fortran and len(shape) > 1, dtype


def fill(stream: BinaryIO, array: np.ndarray, where: str) -> None:
    """Fill an array from a stream; DataError where the stream ends before."""
    view, done = memoryview(array.reshape(-1)).cast("B") if array.size else memoryview(b""), 0
    while done < len(view):
        count = stream.readinto(view[done : done + COPY_BYTES])
        if not count:
            raise DataError(f"{where} ends after {done} of {len(view)} bytes; it is truncated: copy it again")
        done += count


def npz_frames(
    path: str | Path, key: str, *, frames_first: bool = True, complex_too: bool = False
) -> tuple[FrameStream, tuple[int, int] | None]:
    """Frames of a member, and rows and columns where they form a raster; one block is in memory at a time.

    A member in Fortran order, or with the frames last, has its frames scattered: it is unpacked into a temporary file.

    Raises:
        DataError: see `opened_npz`, `read_header` and `Layout`.
    """
    where = f"{path}: {key}"
    with opened_npz(path) as archive:
        shape, fortran, dtype = archive.header(key)
    layout = Layout(where=where, shape=shape, dtype=dtype, frames_first=frames_first, complex_too=complex_too)

    @contextmanager
    def unpacked() -> Iterator[np.ndarray]:
        with opened_npz(path) as archive, archive.member(key) as stream, tempfile.TemporaryFile() as whole:
            shutil.copyfileobj(stream, whole, COPY_BYTES)
            whole.seek(0)
            read_header(whole, where)
            order = "F" if fortran else "C"
            yield np.memmap(whole, dtype, "r", offset=whole.tell(), shape=shape, order=order)

    def blocks() -> Iterator[np.ndarray]:
        with opened_npz(path) as archive, archive.member(key) as stream:
            read_header(stream, where)
            left, step = layout.frames[0], frames_per_block(layout.frames, dtype)
            while left:
                block = np.empty((min(step, left), *layout.frames[1:]), dtype)
                fill(stream, block, where)
                left -= len(block)
                yield layout.block(block)

    progressive = frames_first and not fortran
    frames = FrameStream(layout.frames, layout.native, blocks) if progressive else layout.stream(unpacked)
    return frames, layout.raster


def open_npy(path: str | Path) -> np.ndarray:
    """An .npy file, mapped into memory, not read.

    Raises:
        DataError: it is missing, empty, truncated, or holds Python objects.
    """
    path = require_file(path)
    with damage_named(path):
        with open(path, "rb") as stream:
            read_header(stream, str(path))
        return np.load(path, mmap_mode="r", allow_pickle=False)


def npy_frames(path: str | Path, *, complex_too: bool = False) -> tuple[FrameStream, tuple[int, int] | None]:
    """Frames of an .npy file, and rows and columns where they form a raster.

    Raises:
        DataError: see `open_npy` and `Layout`.
    """
    array = open_npy(path)
    layout = Layout(where=str(path), shape=array.shape, dtype=array.dtype, complex_too=complex_too)

    @contextmanager
    def mapped() -> Iterator[np.ndarray]:
        yield open_npy(path)

    return layout.stream(mapped), layout.raster
