"""Compression filters of HDF5 data sets."""

from contextlib import contextmanager

import h5py
import hdf5plugin
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.filters import can_read_first_value, require_filters
from tests.formats.samples import COUNTS

UNREGISTERED = 40321


@contextmanager
def with_missing_filter(path, filter_mask):
    """Open a data set whose filter is not installed; a mask of 1 means that the filter was skipped in writing."""
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_chunk(COUNTS.shape)
    created.set_filter(UNREGISTERED, h5py.h5z.FLAG_OPTIONAL)
    with h5py.File(path, "w") as handle:
        space = h5py.h5s.create_simple(COUNTS.shape)
        stored = h5py.h5d.create(handle.id, b"data", h5py.h5t.NATIVE_UINT16, space, created)
        stored.write_direct_chunk((0, 0, 0), COUNTS.tobytes(), filter_mask=filter_mask)
    with h5py.File(path, "r") as handle:
        yield handle["data"]


@pytest.mark.parametrize(
    "options", [{}, {"compression": "gzip"}, dict(hdf5plugin.LZ4()), dict(hdf5plugin.Bitshuffle())]
)
def test_installed_filters_are_accepted(tmp_path, options):
    with h5py.File(tmp_path / "scan.h5", "w") as handle:
        data = handle.create_dataset("data", data=COUNTS, chunks=(1, 8, 8), **options)
        require_filters(data)
        np.testing.assert_array_equal(data[()], COUNTS)


def test_a_missing_filter_is_named_with_the_way_to_get_it(tmp_path):
    with with_missing_filter(tmp_path / "scan.h5", filter_mask=0) as data:
        assert not can_read_first_value(data)
        with pytest.raises(
            DataError, match=rf"/data is compressed with HDF5 filter {UNREGISTERED} .*hdf5plugin"
        ) as error:
            require_filters(data)
    assert "\n" not in str(error.value) and "scan.h5" in str(error.value)


def test_an_optional_filter_that_was_skipped_in_writing_is_not_needed(tmp_path):
    with with_missing_filter(tmp_path / "scan.h5", filter_mask=1) as data:
        require_filters(data)
        np.testing.assert_array_equal(data[()], COUNTS)


def test_an_empty_data_set_needs_no_filter(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as handle:
        assert can_read_first_value(handle.create_dataset("none", (0, 8, 8), np.uint16, maxshape=(None, 8, 8)))
