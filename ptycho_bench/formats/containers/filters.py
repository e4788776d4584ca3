"""Compression of HDF5 data sets: the plugin it needs is loaded, or named where it is not installed."""

import h5py

from ptycho_bench.data.errors import DataError

FILTER_NAMES = {32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32015: "zstd", 32026: "blosc2"}


def require_filters(data: h5py.Dataset) -> None:
    """Load the plugin that a data set's compression needs; raise DataError, naming filter and package, without it."""
    created = data.id.get_create_plist()
    needed = [created.get_filter(place) for place in range(created.get_nfilters())]
    if data.is_virtual or any(not h5py.h5z.filter_avail(code) for code, *_ in needed):
        import_plugin()
    for code, _, _, label in needed:
        if not h5py.h5z.filter_avail(code) and not first_value_is_read(data):
            name = FILTER_NAMES.get(code) or label.decode(errors="replace") or "unnamed"
            raise DataError(
                f"{data.file.filename}: {data.name} is compressed with HDF5 filter {code} ({name}), which is not "
                "installed; pip install hdf5plugin, or write the file anew: h5repack -f GZIP=1 OLD NEW"
            )


def import_plugin() -> None:
    """Register the filters of hdf5plugin, if it is installed."""
    try:
        import hdf5plugin  # noqa: F401
    except ImportError:
        return


def first_value_is_read(data: h5py.Dataset) -> bool:
    """True where a value can be read: a filter may have been left out in writing."""
    try:
        return data.size == 0 or data[(0,) * data.ndim] is not None
    except (OSError, RuntimeError, ValueError):
        return False
