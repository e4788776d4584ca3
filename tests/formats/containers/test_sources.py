"""The common interface to HDF5 and .npz files."""

import bz2

import h5py
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.sources import open_source, root_names, source_frames
from tests.formats.samples import COUNTS, whole

KINDS = ["scan.h5", "scan.npz", "scan.npz.bz2"]


@pytest.fixture(params=KINDS)
def path(request, tmp_path):
    """Return a file with patterns, an energy of 8.8 and, if it is HDF5, a unit."""
    path = tmp_path / request.param
    if path.suffix == ".h5":
        with h5py.File(path, "w") as handle:
            handle["patterns"], handle["energy"] = COUNTS, [8.8]
            handle["energy"].attrs["units"] = "keV"
            handle.attrs["creator"] = "beamline"
        return path
    np.savez(tmp_path / "scan.npz", patterns=COUNTS, energy=[8.8])
    if path.suffix == ".bz2":
        path.write_bytes(bz2.compress((tmp_path / "scan.npz").read_bytes()))
    return path


def test_arrays_numbers_and_frames_are_read_by_key(path):
    assert root_names(path) == {"patterns", "energy"}
    with open_source(path) as source:
        assert source.has("patterns") and not source.has("positions")
        np.testing.assert_array_equal(source.array("patterns"), COUNTS)
        assert source.number("energy") == 8.8
    np.testing.assert_array_equal(whole(source_frames(path, "patterns")[0]), COUNTS)


def test_only_hdf5_has_units_and_attributes(path):
    is_hdf5 = path.suffix == ".h5"
    with open_source(path) as source:
        assert source.unit("energy") == ("keV" if is_hdf5 else None)
        assert source.unit("patterns") is None
        assert source.attributes("") == ({"creator": "beamline"} if is_hdf5 else {})
        assert source.attributes("energy") == ({"units": "keV"} if is_hdf5 else {})


def test_a_missing_key_is_refused_and_the_nearest_is_named(path):
    with open_source(path) as source:
        for read in (source.array, source.number):
            with pytest.raises(DataError, match="has no enrgy; nearest: energy"):
                read("enrgy")
        with pytest.raises(DataError, match="contains 384 values; it must contain one number"):
            source.number("patterns")


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_has_no_names_and_cannot_be_opened(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 broken")
    assert root_names(tmp_path / name) == root_names(tmp_path / f"absent_{name}") == set()
    with pytest.raises(DataError, match=r"is not HDF5|cannot be read"), open_source(tmp_path / name):
        pass
