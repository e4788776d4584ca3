"""HDF5 files of any kind: links followed, missing parts and filters named, frames read block by block."""

import fnmatch
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.filters import require_filters
from ptycho_bench.formats.containers.layout import Layout, chain
from ptycho_bench.formats.containers.links import find, missing, require_parts
from ptycho_bench.formats.containers.paths import damage_named, natural_key, require_file
from ptycho_bench.formats.containers.units import first_number


def is_hdf5(path: str | Path) -> bool:
    """True for a file that begins as HDF5 does."""
    return Path(path).is_file() and h5py.is_hdf5(path)


@contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """An HDF5 file, open for reading.

    Raises:
        DataError: it is missing, empty, of another kind, truncated, or cannot be read.
    """
    path = require_file(path)
    if not h5py.is_hdf5(path):
        raise DataError(f"{path} is not HDF5; check the file, or name its format: format=NAME")
    with damage_named(path), h5py.File(path, "r") as handle:
        yield handle


def dataset(handle: h5py.File, key: str) -> h5py.Dataset:
    """Data set of a key, readable.

    Raises:
        DataError: it is missing, a group, compressed with a filter that is not installed, or lacks a part's file.
    """
    node = optional(handle, key)
    if node is None:
        raise missing(handle, key)
    return node


def optional(handle: h5py.File, key: str) -> h5py.Dataset | None:
    """As `dataset`; None: no such name."""
    node = find(handle, key)
    if node is None:
        return None
    if isinstance(node, h5py.Group):
        raise DataError(f"{handle.filename}: {key} is a group; name one of its {', '.join(list(node)[:6])}")
    if node.shape is None:
        raise DataError(f"{handle.filename}: {key} is empty; was the scan aborted?")
    require_parts(node)
    require_filters(node)
    return node


def number(handle: h5py.File, key: str) -> float | None:
    """A number, also one in an array of one; None: no such name."""
    data = optional(handle, key)
    return None if data is None else first_number(data[()], f"{handle.filename}: {key}")


def unit_of(data: h5py.Dataset) -> str | None:
    """A data set's unit by its attribute, if it has one."""
    unit = data.attrs.get("units", data.attrs.get("unit"))
    if isinstance(unit, np.ndarray) and unit.size:
        unit = unit.ravel()[0]
    return unit.decode(errors="replace") if isinstance(unit, bytes) else None if unit is None else str(unit)


def frame_keys(handle: h5py.File, key: str) -> list[str]:
    """Keys of data sets that follow each other: of a pattern (entry/data/data_*), or the key itself."""
    parent, _, last = key.strip("/").rpartition("/")
    if "*" not in last:
        return [key]
    group = find(handle, parent) if parent else handle
    matches = sorted(fnmatch.filter(group, last), key=natural_key) if isinstance(group, h5py.Group) else []
    if not matches:
        raise missing(handle, key)
    return [f"{parent}/{name}" for name in matches]


def hdf5_frames(path: str | Path, key: str, *, frames_first: bool = True) -> tuple[FrameStream, tuple[int, int] | None]:
    """Frames of a data set, or of several after each other, and rows and columns where they form a raster.

    Args:
        path: the file; open only while blocks are asked for.
        key: of (N, H, W) or (rows, columns, H, W); a * in its last name joins all data sets that match.
        frames_first: False: (H, W, N).

    Raises:
        DataError: see `opened`, `dataset` and `Layout`.
    """
    with opened(path) as handle:
        found = {name: dataset(handle, name) for name in frame_keys(handle, key)}
        layouts = {
            name: Layout(where=f"{path}: {name}", shape=data.shape, dtype=data.dtype, frames_first=frames_first)
            for name, data in found.items()
        }

    def reader(name: str):
        @contextmanager
        def array() -> Iterator[h5py.Dataset]:
            with opened(path) as handle:
                yield dataset(handle, name)

        return array

    streams = [layout.stream(reader(name)) for name, layout in layouts.items()]
    raster = next(iter(layouts.values())).raster if len(layouts) == 1 else None
    return chain(streams, f"{path}: {key}"), raster
