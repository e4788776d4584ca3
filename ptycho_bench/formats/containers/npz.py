"""Arrays of .npy, .npz and .npz.bz2 files, decompressed block by block, so that they may exceed the memory."""

import bz2
import functools
import math
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
from ptycho_bench.data.storage import FREE_BYTES, MOST_COMPRESSION, check_claim
from ptycho_bench.formats.containers.layout import Layout
from ptycho_bench.formats.containers.paths import report_damage, require_file, suffix_of, suggest_keys
from ptycho_bench.formats.containers.units import single_number

SPOOL_BYTES, COPY_BYTES = 2**25, 2**18
MOST_BYTES = 2**31  # of an array that is read at once
NPZ_SUFFIXES = (".npz", ".npz.bz2")


class Archive:
    """Members of an open .npz file.

    Args:
        path: path of the file, for messages.
        archive: the open file.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        self.members = {name.removesuffix(".npy"): name for name in archive.namelist()}

    def __contains__(self, key: str) -> bool:
        return key in self.members

    def member(self, key: str) -> BinaryIO:
        """Open a member.

        Raises:
            DataError: If the file has no such member; the message names the most similar members.
        """
        if key not in self.members:
            hint = suggest_keys(key, list(self.members))
            raise DataError(f"{self.path} has no {key}; {hint}; format=keys imports a file by any keys")
        return self.archive.open(self.members[key])

    def header(self, key: str) -> tuple[tuple[int, ...], bool, np.dtype]:
        """Return shape, Fortran order and dtype of a member, without reading its values."""
        with self.member(key) as stream:
            shape, fortran, dtype = read_header(stream, f"{self.path}: {key}")
        self.check_size(key, math.prod(shape) * dtype.itemsize)
        return shape, fortran, dtype

    def check_size(self, key: str, claimed: int) -> None:
        """Check that a member can contain the number of bytes that its header claims.

        Raises:
            DataError: If it cannot.
        """
        member, where = self.archive.getinfo(self.members[key]), f"{self.path}: {key}"
        check_claim(claimed, min(member.compress_size, self.path.stat().st_size), where)
        if claimed > member.file_size:
            raise DataError(f"{where} ends after {member.file_size} of {claimed} bytes; it is truncated: copy it again")

    def array(self, key: str) -> np.ndarray:
        """Read a whole member.

        Raises:
            DataError: If it is larger than 2 GiB, or truncated.
        """
        shape, fortran, dtype = self.header(key)
        if math.prod(shape) * dtype.itemsize > MOST_BYTES:
            raise DataError(
                f"{self.path}: {key} is {dtype} {shape}; at most {MOST_BYTES // 2**30} GiB are read at once, only "
                "patterns may be larger: name another key"
            )
        with self.member(key) as stream:
            read_header(stream, f"{self.path}: {key}")
            array = np.empty(shape[::-1] if fortran else shape, dtype)
            read_into(stream, array, f"{self.path}: {key}")
        return array.T if fortran else array

    def number(self, key: str) -> float | None:
        """Return the number that a member contains, or None if there is no such member."""
        return single_number(self.array(key), f"{self.path}: {key}") if key in self else None


@contextmanager
def decompress_bz2(path: Path) -> Iterator[BinaryIO]:
    """Decompress a .bz2 file into a temporary file, which stays in memory if it is small."""
    with bz2.open(path) as packed, tempfile.SpooledTemporaryFile(SPOOL_BYTES) as whole:
        most = max(FREE_BYTES, MOST_COMPRESSION * path.stat().st_size)
        while part := packed.read(COPY_BYTES):
            whole.write(part)
            if whole.tell() > most:
                raise DataError(f"{path} contains more than {most / 2**30:.4g} GiB; decompress it with bunzip2 first")
        whole.seek(0)
        yield whole


@contextmanager
def open_npz(path: str | Path) -> Iterator[Archive]:
    """Open a .npz or .npz.bz2 file.

    Raises:
        DataError: If the file is missing, empty, of another kind, truncated or damaged.
    """
    path = require_file(path)
    packed = suffix_of(path).endswith(".bz2")
    with (
        report_damage(path),
        decompress_bz2(path) if packed else path.open("rb") as file,
        zipfile.ZipFile(file) as archive,
    ):
        yield Archive(path, archive)


def npz_names(path: str | Path) -> frozenset[str]:
    """Return the names of a .npz file's members; an empty set if the file is missing, damaged or of another kind."""
    if not Path(path).is_file() or suffix_of(path) not in NPZ_SUFFIXES:
        return frozenset()
    return cached_names(str(path), Path(path).stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def cached_names(path: str, mtime_ns: int) -> frozenset[str]:
    """Return the names of a file's members; cached for each modification time, because bz2 is slow."""
    try:
        with open_npz(path) as archive:
            return frozenset(archive.members)
    except DataError:
        return frozenset()


def read_header(stream: BinaryIO, where: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read shape, Fortran order and dtype from a stream in .npy format.

    Raises:
        DataError: If the array contains Python objects, which are never unpickled, or the format version is unknown.
    """
    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    version = npy_format.read_magic(stream)
    if version not in readers:
        raise DataError(f"{where} has .npy version {version}; save it again as plain numbers with numpy.save")
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject:
        raise DataError(f"{where} contains Python objects, which are never unpickled; save it as plain numbers")
    return shape, fortran and len(shape) > 1, dtype


def read_into(stream: BinaryIO, array: np.ndarray, where: str) -> None:
    """Fill an array with bytes from a stream.

    Raises:
        DataError: If the stream ends too early.
    """
    view, done = memoryview(array.reshape(-1)).cast("B") if array.size else memoryview(b""), 0
    while done < len(view):
        count = stream.readinto(view[done : done + COPY_BYTES])
        if not count:
            raise DataError(f"{where} ends after {done} of {len(view)} bytes; it is truncated: copy it again")
        done += count


def npz_frames(
    path: str | Path, key: str, *, frames_first: bool = True, allow_complex: bool = False
) -> tuple[FrameStream, tuple[int, int] | None]:
    """Return the frames of a member, and the raster's rows and columns if they form one.

    One block is in memory at a time. If the member is in Fortran order or its frames come last, frames are not
    contiguous, so the member is decompressed into a temporary file.

    Args:
        path: the .npz or .npz.bz2 file; it is open only while blocks are read.
        key: name of a member (N, H, W) or (rows, columns, H, W).
        frames_first: False if the member is (H, W, N).
        allow_complex: True if frames may be complex.

    Raises:
        DataError: If the file or the member cannot be read, or contains no frames.
    """
    where = f"{path}: {key}"
    with open_npz(path) as archive:
        shape, fortran, dtype = archive.header(key)
    layout = Layout(where=where, shape=shape, dtype=dtype, frames_first=frames_first, allow_complex=allow_complex)

    @contextmanager
    def open_decompressed() -> Iterator[np.ndarray]:
        with open_npz(path) as archive, archive.member(key) as stream, tempfile.TemporaryFile() as whole:
            shutil.copyfileobj(stream, whole, COPY_BYTES)
            whole.seek(0)
            read_header(whole, where)
            order = "F" if fortran else "C"
            yield np.memmap(whole, dtype, "r", offset=whole.tell(), shape=shape, order=order)

    def blocks() -> Iterator[np.ndarray]:
        with open_npz(path) as archive, archive.member(key) as stream:
            read_header(stream, where)
            left, step = layout.frames[0], frames_per_block(layout.frames, dtype)
            while left:
                block = np.empty((min(step, left), *layout.frames[1:]), dtype)
                read_into(stream, block, where)
                left -= len(block)
                yield layout.block(block)

    sequential = frames_first and not fortran
    frames = FrameStream(layout.frames, layout.native, blocks) if sequential else layout.stream(open_decompressed)
    return frames, layout.raster


def open_npy(path: str | Path) -> np.ndarray:
    """Map an .npy file into memory without reading it.

    Raises:
        DataError: If the file is missing, empty or truncated, or contains Python objects.
    """
    path = require_file(path)
    with report_damage(path):
        with open(path, "rb") as stream:
            read_header(stream, str(path))
        return np.load(path, mmap_mode="r", allow_pickle=False)


def npy_frames(path: str | Path, *, allow_complex: bool = False) -> tuple[FrameStream, tuple[int, int] | None]:
    """Return the frames of an .npy file, and the raster's rows and columns if they form one.

    Raises:
        DataError: If the file cannot be read or contains no frames.
    """
    array = open_npy(path)
    layout = Layout(where=str(path), shape=array.shape, dtype=array.dtype, allow_complex=allow_complex)

    @contextmanager
    def open_array() -> Iterator[np.ndarray]:
        yield open_npy(path)

    return layout.stream(open_array), layout.raster
