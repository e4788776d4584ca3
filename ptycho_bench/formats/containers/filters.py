"""Compression filters of HDF5 data sets: load the plugin that is needed, or report which one is missing."""

import h5py

from ptycho_bench.data.errors import DataError

FILTER_NAMES = {32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32015: "zstd", 32026: "blosc2"}


def require_filters(data: h5py.Dataset) -> None:
    """Load the plugin that a data set's compression needs.

    Raises:
        DataError: If a filter is not installed; the message names the filter and the package that contains it.
    """
    created = data.id.get_create_plist()
    needed = [created.get_filter(number) for number in range(created.get_nfilters())]
    if data.is_virtual or any(not h5py.h5z.filter_avail(code) for code, *_ in needed):
        import_plugin()
    for code, _, _, label in needed:
        if not h5py.h5z.filter_avail(code) and not can_read_first_value(data):
            name = FILTER_NAMES.get(code) or label.decode(errors="replace") or "unnamed"
            raise DataError(
                f"{data.file.filename}: {data.name} is compressed with HDF5 filter {code} ({name}), which is not "
                "installed; run pip install hdf5plugin, or convert the file with h5repack -f GZIP=1 OLD NEW"
            )


def import_plugin() -> None:
    """Register the filters of hdf5plugin if it is installed."""
    try:
        import hdf5plugin  # noqa: F401
    except ImportError:
        return


def can_read_first_value(data: h5py.Dataset) -> bool:
    """Return True if a value can be read without the filter, because an optional filter was skipped in writing."""
    try:
        return data.size == 0 or data[(0,) * data.ndim] is not None
    except (OSError, RuntimeError, ValueError):
        return False
