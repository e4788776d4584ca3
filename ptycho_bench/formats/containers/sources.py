"""One interface to HDF5 and .npz files: arrays, numbers and frames by key."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.hdf5 import (
    find_number,
    has_hdf5_signature,
    hdf5_frames,
    matching_keys,
    open_hdf5,
    require_dataset,
    unit_of,
    whole,
)
from ptycho_bench.formats.containers.links import find_node
from ptycho_bench.formats.containers.npz import NPZ_SUFFIXES, Archive, npz_frames, npz_names, open_npz
from ptycho_bench.formats.containers.paths import suffix_of


@dataclass(frozen=True)
class Hdf5Source:
    """An open HDF5 file.

    Args:
        path: path of the file, for messages.
        handle: the open file.
    """

    path: str
    handle: h5py.File

    def has(self, key: str) -> bool:
        """Return True if the key exists.

        Raises:
            DataError: If the key is a pattern that nothing matches.
        """
        return all(find_node(self.handle, name) is not None for name in matching_keys(self.handle, key))

    def array(self, key: str) -> np.ndarray:
        """Read a whole data set."""
        return np.asarray(whole(require_dataset(self.handle, key)))

    def number(self, key: str) -> float:
        """Return the number that a data set contains.

        Raises:
            DataError: If the key does not exist or its values are not one number.
        """
        require_dataset(self.handle, key)
        return find_number(self.handle, key)

    def unit(self, key: str) -> str | None:
        """Return the unit in the data set's attribute, or None if it has none."""
        return unit_of(require_dataset(self.handle, key))

    def attributes(self, key: str) -> dict[str, object]:
        """Return the attributes of a data set, or of the file itself if the key is empty."""
        return dict(require_dataset(self.handle, key).attrs if key else self.handle.attrs)


@dataclass(frozen=True)
class NpzSource:
    """An open .npz file, which contains neither units nor attributes.

    Args:
        path: path of the file, for messages.
        archive: the open file.
    """

    path: str
    archive: Archive

    def has(self, key: str) -> bool:
        """Return True if the member exists."""
        return key in self.archive

    def array(self, key: str) -> np.ndarray:
        """Read a whole member."""
        return self.archive.array(key)

    def number(self, key: str) -> float:
        """Return the number that a member contains.

        Raises:
            DataError: If the member does not exist or its values are not one number.
        """
        self.archive.header(key)
        return self.archive.number(key)

    def unit(self, key: str) -> None:
        """Return None."""

    def attributes(self, key: str) -> dict[str, object]:
        """Return an empty dict."""
        return {}


@contextmanager
def open_source(path: str | Path) -> Iterator[Hdf5Source | NpzSource]:
    """Open a .npz, .npz.bz2 or HDF5 file.

    Raises:
        DataError: If the file cannot be opened as what its name or content says it is.
    """
    if suffix_of(path) in NPZ_SUFFIXES:
        with open_npz(path) as archive:
            yield NpzSource(str(path), archive)
    else:
        with open_hdf5(path) as handle:
            yield Hdf5Source(str(path), handle)


def source_frames(
    path: str | Path, key: str, *, frames_first: bool = True
) -> tuple[FrameStream, tuple[int, int] | None]:
    """Return the frames of a key, and the raster's rows and columns if they form one."""
    read = npz_frames if suffix_of(path) in NPZ_SUFFIXES else hdf5_frames
    return read(path, key, frames_first=frames_first)


def root_names(path: str | Path) -> frozenset[str]:
    """Return the names at a file's root; an empty set if the file is of another kind or cannot be read."""
    if not has_hdf5_signature(path):
        return npz_names(path)
    try:
        with open_hdf5(path) as handle:
            return frozenset(handle)
    except DataError:
        return frozenset()
