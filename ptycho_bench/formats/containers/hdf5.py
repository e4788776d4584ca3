"""Data sets of HDF5 files: links are followed, missing parts and filters reported, frames read block by block."""

import fnmatch
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.data.storage import claimed_bytes
from ptycho_bench.formats.containers.filters import require_filters
from ptycho_bench.formats.containers.layout import Layout, concatenate_streams
from ptycho_bench.formats.containers.links import find_node, missing_key, require_parts
from ptycho_bench.formats.containers.paths import natural_key, report_damage, require_file
from ptycho_bench.formats.containers.units import single_number

MOST_BYTES = 2**31  # of an array that is read at once: positions, probe, object, mask


def has_hdf5_signature(path: str | Path) -> bool:
    """Return True if the file exists and begins with the signature of HDF5."""
    return Path(path).is_file() and h5py.is_hdf5(path)


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises:
        DataError: If the file is missing, empty, of another kind or truncated, or cannot be read.
    """
    path = require_file(path)
    if not h5py.is_hdf5(path):
        raise DataError(f"{path} is not HDF5; check the file, or set its format with format=NAME")
    with report_damage(path), h5py.File(path, "r") as handle:
        yield handle


def require_dataset(handle: h5py.File, key: str) -> h5py.Dataset:
    """Return the data set of a key, after a check that it can be read.

    Raises:
        DataError: If the key does not exist or is a group, a filter or a file with a part of it is missing, or a part
            must not be read (see `require_parts`).
    """
    node = find_dataset(handle, key)
    if node is None:
        raise missing_key(handle, key)
    return node


def find_dataset(handle: h5py.File, key: str) -> h5py.Dataset | None:
    """Return the data set of a key as `require_dataset` does, or None if the key does not exist."""
    node = find_node(handle, key)
    if node is None:
        return None
    if isinstance(node, h5py.Group):
        raise DataError(f"{handle.filename}: {key} is a group; name one of its members: {', '.join(list(node)[:6])}")
    if node.shape is None:
        raise DataError(f"{handle.filename}: {key} is empty; check whether the scan was aborted")
    require_parts(node)
    require_filters(node)
    return node


def whole(data: h5py.Dataset) -> np.ndarray:
    """Read all values of a data set other than frames.

    Raises:
        DataError: If they are larger than 2 GiB.
    """
    if claimed_bytes(data) > MOST_BYTES:
        raise DataError(
            f"{data.file.filename}: {data.name} is {data.dtype} {data.shape}; at most {MOST_BYTES // 2**30} GiB are "
            "read at once, only patterns may be larger: name another key"
        )
    return data[()]


def find_number(handle: h5py.File, key: str) -> float | None:
    """Return the number that a data set contains, also as an array of equal values; None if the key does not exist."""
    data = find_dataset(handle, key)
    return None if data is None else single_number(whole(data), f"{handle.filename}: {key}")


def unit_of(data: h5py.Dataset) -> str | None:
    """Return the unit in a data set's attribute `units` or `unit`, or None if it has neither."""
    unit = data.attrs.get("units", data.attrs.get("unit"))
    if isinstance(unit, np.ndarray) and unit.size:
        unit = unit.ravel()[0]
    return unit.decode(errors="replace") if isinstance(unit, bytes) else None if unit is None else str(unit)


def matching_keys(handle: h5py.File, key: str) -> list[str]:
    """Return the keys that match a pattern such as entry/data/data_*, in natural order, or the key itself."""
    parent, _, last = key.strip("/").rpartition("/")
    if "*" not in last:
        return [key]
    group = find_node(handle, parent) if parent else handle
    matches = sorted(fnmatch.filter(group, last), key=natural_key) if isinstance(group, h5py.Group) else []
    if not matches:
        raise missing_key(handle, key)
    return [f"{parent}/{name}" for name in matches]


def hdf5_frames(path: str | Path, key: str, *, frames_first: bool = True) -> tuple[FrameStream, tuple[int, int] | None]:
    """Return the frames of one or several data sets, and the raster's rows and columns if they form one.

    Args:
        path: the HDF5 file; it is open only while blocks are read.
        key: key of a data set (N, H, W) or (rows, columns, H, W); a * in its last name joins all data sets that match.
        frames_first: False if the data sets are (H, W, N).

    Raises:
        DataError: If the file or a data set cannot be read, or contains no frames.
    """
    with open_hdf5(path) as handle:
        found = {name: require_dataset(handle, name) for name in matching_keys(handle, key)}
        layouts = {
            name: Layout(where=f"{path}: {name}", shape=data.shape, dtype=data.dtype, frames_first=frames_first)
            for name, data in found.items()
        }

    def opener(name: str):
        @contextmanager
        def open_array() -> Iterator[h5py.Dataset]:
            with open_hdf5(path) as handle:
                yield require_dataset(handle, name)

        return open_array

    streams = [layout.stream(opener(name)) for name, layout in layouts.items()]
    raster = next(iter(layouts.values())).raster if len(layouts) == 1 else None
    return concatenate_streams(streams, f"{path}: {key}"), raster
