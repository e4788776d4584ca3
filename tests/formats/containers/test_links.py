"""Lookup of names in HDF5 files through soft links, external links and virtual data sets."""

import h5py
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.links import find_node, is_named, locate_part, members, missing_key, require_parts


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
    names = {name for name, _ in members(master, 100)}
    assert {"entry", "entry/number", "entry/soft", "entry/part", "entry/gone"} <= names
    assert not any(name.startswith("entry/part/") for name in names)
    assert len(members(master, 3)) == 3


def test_groups_that_contain_each_other_are_visited_once(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as handle:
        group = handle.create_group("a")
        for number in range(6):
            group[f"again_{number}"] = group
        assert len(members(handle, 1000)) == 7


def test_a_broken_link_has_a_name_and_a_missing_key_has_none(master):
    assert is_named(master, "entry/gone") and is_named(master, "entry/number") and is_named(master, "entry/gone/below")
    assert not is_named(master, "entry/other") and not is_named(master, "other/number")


def test_the_error_for_a_missing_key_names_similar_keys_and_a_way_out(master):
    text = str(missing_key(master, "entry/nmber"))
    assert "has no entry/nmber; nearest: entry/number" in text and "format=keys" in text


def test_a_raw_file_is_never_read_even_in_the_same_folder(tmp_path):
    np.arange(4, dtype=np.uint16).tofile(tmp_path / "frames.raw")
    with h5py.File(tmp_path / "scan.h5", "w") as handle:
        require_parts(handle.create_dataset("plain", data=np.arange(3)))
        data = handle.create_dataset("data", (4,), np.uint16, external=[("frames.raw", 0, 8)])
        with pytest.raises(
            DataError, match=r"/data is stored in the raw file 'frames\.raw', which is never read; store"
        ):
            require_parts(data)


def virtual(path, file, shape=(4,), name="data"):
    """Write a file whose data set has its values in another file."""
    layout = h5py.VirtualLayout(shape, np.uint16)
    layout[:] = h5py.VirtualSource(str(file), name, shape)
    with h5py.File(path, "w") as handle:
        handle.create_virtual_dataset("data", layout)
    return path


def test_what_lies_outside_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "inner").mkdir()
    with h5py.File(tmp_path / "secret.h5", "w") as handle:
        handle["data"] = np.arange(4, dtype=np.uint16)
    with h5py.File(tmp_path / "inner/linked.h5", "w") as handle:
        for number, name in enumerate((str(tmp_path / "secret.h5"), "../secret.h5", "/dev/zero")):
            handle[f"link_{number}"] = h5py.ExternalLink(name, "data")
        for key in list(handle):
            with pytest.raises(DataError, match=r"/link_\d is stored in .*, outside of the folder of .*put both files"):
                find_node(handle, key)
    for name in (tmp_path / "secret.h5", "../secret.h5"):
        with (
            h5py.File(virtual(tmp_path / "inner/virtual.h5", name)) as handle,
            pytest.raises(DataError, match="outside of the folder"),
        ):
            require_parts(handle["data"])


def test_a_part_that_is_stored_in_a_raw_file_is_refused(tmp_path):
    np.arange(4, dtype=np.uint16).tofile(tmp_path / "frames.raw")
    with h5py.File(tmp_path / "part.h5", "w") as handle:
        handle.create_dataset("data", (4,), np.uint16, external=[("frames.raw", 0, 8)])
    with (
        h5py.File(virtual(tmp_path / "whole.h5", "part.h5")) as handle,
        pytest.raises(DataError, match="stored in the raw file"),
    ):
        require_parts(handle["data"])


def test_virtual_data_sets_that_are_parts_of_each_other_are_refused(tmp_path):
    """HDF5 would crash the process."""
    for name, other in (("a.h5", "b.h5"), ("b.h5", "a.h5"), ("self.h5", ".")):
        virtual(tmp_path / name, other)
    for name in ("a.h5", "self.h5"):
        with h5py.File(tmp_path / name) as handle, pytest.raises(DataError, match="is a part of itself"):
            require_parts(handle["data"])


def test_a_part_without_the_data_set_is_named(tmp_path):
    with h5py.File(tmp_path / "part.h5", "w") as handle:
        handle["other"] = 1
    with (
        h5py.File(virtual(tmp_path / "whole.h5", "part.h5")) as handle,
        pytest.raises(DataError, match=r"a part of /data is data of .*part\.h5, which is missing"),
    ):
        require_parts(handle["data"])
