"""HDF5 and .npz files alike: arrays, numbers and frames by key."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.hdf5 import dataset, frame_keys, hdf5_frames, is_hdf5, number, opened, unit_of
from ptycho_bench.formats.containers.links import find
from ptycho_bench.formats.containers.npz import NPZ_SUFFIXES, Archive, npz_frames, npz_names, opened_npz
from ptycho_bench.formats.containers.paths import suffix_of


@dataclass(frozen=True)
class Hdf5Source:
    """An open HDF5 file.

    Args:
        path: for messages.
        handle: the open file.
    """

    path: str
    handle: h5py.File

    def has(self, key: str) -> bool:
        """True where the key, or one that matches its pattern, is there."""
        return all(find(self.handle, name) is not None for name in frame_keys(self.handle, key))

    def array(self, key: str) -> np.ndarray:
        """A data set, whole."""
        return np.asarray(dataset(self.handle, key)[()])

    def number(self, key: str) -> float:
        """A number; DataError where there is none."""
        dataset(self.handle, key)
        return number(self.handle, key)

    def unit(self, key: str) -> str | None:
        """What the data set's attribute says."""
        return unit_of(dataset(self.handle, key))

    def attributes(self, key: str) -> dict[str, object]:
        """Attributes of a data set, or of the file itself where the key is empty."""
        return dict(dataset(self.handle, key).attrs if key else self.handle.attrs)


@dataclass(frozen=True)
class NpzSource:
    """An open .npz file; it states no units.

    Args:
        path: for messages.
        archive: the open file.
    """

    path: str
    archive: Archive

    def has(self, key: str) -> bool:
        """True where the key is there."""
        return key in self.archive

    def array(self, key: str) -> np.ndarray:
        """A member, whole."""
        return self.archive.array(key)

    def number(self, key: str) -> float:
        """A number; DataError where there is none."""
        self.archive.header(key)
        return self.archive.number(key)

    def unit(self, key: str) -> None:
        """None."""

    def attributes(self, key: str) -> dict[str, object]:
        """None there either."""
        return {}


@contextmanager
def open_source(path: str | Path) -> Iterator[Hdf5Source | NpzSource]:
    """A .npz, .npz.bz2 or HDF5 file by key.

    Raises:
        DataError: it cannot be opened as what its name or content says.
    """
    if suffix_of(path) in NPZ_SUFFIXES:
        with opened_npz(path) as archive:
            yield NpzSource(str(path), archive)
    else:
        with opened(path) as handle:
            yield Hdf5Source(str(path), handle)


def frames_of(path: str | Path, key: str, *, frames_first: bool = True) -> tuple[FrameStream, tuple[int, int] | None]:
    """Frames of a key, and rows and columns where they form a raster."""
    read = npz_frames if suffix_of(path) in NPZ_SUFFIXES else hdf5_frames
    return read(path, key, frames_first=frames_first)


def names_of(path: str | Path) -> frozenset[str]:
    """Names at a file's root; empty for a file that is neither or cannot be read."""
    if not is_hdf5(path):
        return npz_names(path)
    try:
        with opened(path) as handle:
            return frozenset(handle)
    except DataError:
        return frozenset()
