"""Lookup of names in HDF5 files through soft links, external links and virtual data sets."""

import h5py
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.links import find_node, locate_part, missing_key, names_below, require_parts


@pytest.fixture
def master(tmp_path):
    """Yield an open file whose group `entry` links to `part.h5` and to itself."""
    with h5py.File(tmp_path / "part.h5", "w") as part:
        part["deep/data"] = np.arange(3)
        part["back"] = h5py.ExternalLink("master.h5", "/entry/number")
    with h5py.File(tmp_path / "master.h5", "w") as handle:
        handle["entry/number"] = 7
        handle["entry/soft"] = h5py.SoftLink("number")
        handle["entry/absolute"] = h5py.SoftLink("/entry/number")
        handle["entry/part"] = h5py.ExternalLink("part.h5", "/deep")
        handle["entry/round"] = h5py.ExternalLink("part.h5", "/back")
        handle["entry/gone"] = h5py.ExternalLink("gone.h5", "/data")
        handle["entry/dangling"] = h5py.SoftLink("/nowhere")
        handle["entry/self"] = h5py.SoftLink("/entry/self")
    with h5py.File(tmp_path / "master.h5", "r") as handle:
        yield handle


@pytest.mark.parametrize("key", ["entry/number", "/entry/number/", "entry/soft", "entry/absolute", "entry/round"])
def test_a_key_is_found_through_links_of_every_kind(master, key):
    assert find_node(master, key)[()] == 7


def test_a_key_is_found_below_a_linked_group(master):
    assert find_node(master, "entry/part/data")[()].tolist() == [0, 1, 2]
    assert isinstance(find_node(master, "entry"), h5py.Group)


@pytest.mark.parametrize("key", ["other", "entry/number/below", "entry/part/other", "entry/dangling"])
def test_a_missing_key_is_none(master, key):
    assert find_node(master, key) is None


def test_a_missing_file_and_a_circle_are_reported(master):
    with pytest.raises(DataError, match=r"/entry/gone is stored in gone\.h5, which is missing"):
        find_node(master, "entry/gone")
    with pytest.raises(DataError, match="the links of /entry/self form a circle"):
        find_node(master, "entry/self")


def test_a_part_is_found_where_the_reference_says_or_beside_the_file(master, tmp_path):
    assert locate_part(master, "part.h5", "it") == tmp_path / "part.h5"
    assert locate_part(master, "/elsewhere/part.h5", "it") == tmp_path / "part.h5"


def test_names_below_a_group_do_not_include_those_behind_links(master):
    names = set(names_below(master))
    assert {"entry", "entry/number", "entry/soft", "entry/part", "entry/gone"} <= names
    assert not any(name.startswith("entry/part/") for name in names)


def test_the_error_for_a_missing_key_names_similar_keys_and_a_way_out(master):
    text = str(missing_key(master, "entry/nmber"))
    assert "has no entry/nmber; nearest: entry/number" in text and "format=keys" in text


def test_files_with_parts_of_a_data_set_must_exist(tmp_path):
    np.arange(4, dtype=np.uint16).tofile(tmp_path / "frames.raw")
    with h5py.File(tmp_path / "scan.h5", "w") as handle:
        data = handle.create_dataset("data", (4,), np.uint16, external=[("frames.raw", 0, 8)])
        require_parts(data)
        require_parts(handle.create_dataset("plain", data=np.arange(3)))
        (tmp_path / "frames.raw").unlink()
        with pytest.raises(DataError, match=r"a part of /data is stored in frames\.raw, which is missing"):
            require_parts(data)
