"""Files that are read besides the named ones: partners, linked files, parts of data sets."""

import h5py
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.dependencies import files_read


def write(path, **arrays):
    with h5py.File(path, "w") as handle:
        for name, array in arrays.items():
            handle[name] = array
    return path


def names(files):
    return [path.name for path in files_read([str(file) for file in files])]


def test_files_without_references_are_returned_alone(tmp_path):
    (tmp_path / "positions.csv").write_text("y,x\n0,0\n")
    assert names([write(tmp_path / "scan.h5", data=[1]), tmp_path / "positions.csv"]) == ["scan.h5", "positions.csv"]


def test_the_partner_of_a_file_is_read_too(tmp_path):
    for name in ("a_dp.hdf5", "a_para.hdf5"):
        write(tmp_path / name, data=[1])
    assert names([tmp_path / "a_dp.hdf5"]) == ["a_dp.hdf5", "a_para.hdf5"]


def test_links_are_followed_from_file_to_file_even_in_a_circle(tmp_path):
    write(tmp_path / "last.h5", data=[1])
    for name, other in (("master.h5", "part.h5"), ("part.h5", "last.h5"), ("last.h5", "master.h5")):
        with h5py.File(tmp_path / name, "a") as handle:
            handle["entry/link"] = h5py.ExternalLink(other, "data")
            handle["entry/gone"] = h5py.ExternalLink("gone.h5", "data")
            handle["entry/kind"] = np.dtype("f4")
            handle["entry/self"] = h5py.SoftLink("/entry")
    assert names([tmp_path / "master.h5"]) == ["master.h5", "part.h5", "last.h5"]


@pytest.mark.parametrize("source", ["b%b.h5", None])
def test_parts_of_a_data_set_are_read_too(tmp_path, source):
    layout = h5py.VirtualLayout((2, 4), np.uint16)
    for number in range(2):
        write(tmp_path / f"b{number}.h5", data=np.full(4, number, np.uint16))
        layout[number] = h5py.VirtualSource(tmp_path / f"b{number}.h5", "data", (4,))
    with h5py.File(tmp_path / "whole.h5", "w") as handle:
        if source is None:
            handle.create_virtual_dataset("data", layout)
        else:  # one source for all blocks, with a placeholder for their number
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            block = h5py.h5s.create_simple((4,))
            space = h5py.h5s.create_simple((2, 4), (h5py.h5s.UNLIMITED, 4))
            space.select_hyperslab((0, 0), (h5py.h5s.UNLIMITED, 1), (1, 1), (1, 4))
            plist.set_virtual(space, source.encode(), b"data", block)
            h5py.h5d.create(handle.id, b"data", h5py.h5t.NATIVE_UINT16, space, plist)
    assert names([tmp_path / "whole.h5"]) == ["whole.h5", "b0.h5", "b1.h5"]


def test_groups_that_contain_each_other_end_the_search(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as handle:
        group = handle.create_group("a")
        for number in range(6):
            group[f"again_{number}"] = group
    assert names([tmp_path / "scan.h5"]) == ["scan.h5"]


def test_files_that_are_never_read_are_left_out(tmp_path):
    np.arange(8, dtype=np.uint16).tofile(tmp_path / "frames.raw")
    write(tmp_path / "secret.h5", data=[1])
    (tmp_path / "inner").mkdir()
    with h5py.File(tmp_path / "inner/scan.h5", "w") as handle:
        handle.create_dataset("data", (8,), np.uint16, external=[(str(tmp_path / "frames.raw"), 0, 16)])
        handle["link"] = h5py.ExternalLink("../secret.h5", "data")
    assert names([tmp_path / "inner/scan.h5"]) == ["scan.h5"]


def test_a_damaged_file_is_named(tmp_path):
    path = write(tmp_path / "scan.h5", data=np.arange(5000.0))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"scan\.h5 cannot be read"):
        files_read([str(path)])
