"""format=auto: the files of each format are recognised by its reader and by no other."""

import h5py
import numpy as np
import pytest
import tifffile

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.registry import ORDER, recognise
from tests.formats.samples import COUNTS, complex_array, every_reader


def write(folder, name):
    """Write the smallest files of a format and return their paths."""
    path = folder / name
    if name == "tiff":
        tifffile.imwrite(folder / "stack.tif", COUNTS)
        return [str(folder / "stack.tif")]
    if name == "aps26id":
        np.savez(folder / "s_diff.npz", COUNTS)
        return [str(folder / "s_diff.npz")]
    members = {
        "tike": {"data": COUNTS, "scan": np.zeros((6, 2)), "probe": complex_array(8, 8)},
        "ptychopinn": {"diff3d": COUNTS, "xcoords": np.zeros(6), "ycoords": np.zeros(6)},
        "ptychonn": {"reciprocal": COUNTS, "real": np.zeros((6, 2, 8, 8))},
        "mdw771": {"reciprocal": COUNTS, "position": np.zeros((6, 2))},
    }
    if name in members:
        np.savez(f"{path}.npz", **members[name])
        return [f"{path}.npz"]
    keys = {
        "cxi": ["entry_1/data_1/data"],
        "ptychodus": ["patterns", "indexes"],
        "ptypy": ["chunks/0/data"],
        "py4dstem": ["datacube_root/datacube/data"],
    }
    with h5py.File(f"{path}.h5", "w") as handle:
        for key in keys[name]:
            handle[key] = COUNTS
    return [f"{path}.h5"]


@pytest.mark.parametrize("name", ORDER)
def test_each_format_is_recognised_by_its_reader_only(tmp_path, name):
    files, readers = write(tmp_path, name), every_reader()
    assert [known for known, reader in readers.items() if reader.recognises(files)] == [name]
    assert recognise(files, readers) == (name, readers[name])


def test_every_format_has_a_place_in_the_order():
    assert set(ORDER) | {"keys"} == set(every_reader())


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 broken", b"\x89HDF\r\n\x1a\n broken", b"text", b"\x93NUMPY\x01\x00"]
)
@pytest.mark.parametrize("ending", ["npz", "npz.bz2", "h5", "cxi", "npy", "tif", "csv", "unknown"])
def test_no_reader_fails_on_a_broken_file(tmp_path, content, ending):
    path = tmp_path / f"x_diff.{ending}"
    path.write_bytes(content)
    known = [name for name, reader in every_reader().items() if reader.recognises([str(path)])]
    assert known == (["tiff"] if ending == "tif" else [])
    assert not any(reader.recognises([str(tmp_path / "absent.h5")]) for reader in every_reader().values())


def test_a_file_of_no_format_is_refused_and_its_names_are_listed(tmp_path):
    with h5py.File(tmp_path / "own.h5", "w") as handle:
        handle["frames"] = COUNTS
    with pytest.raises(
        DataError, match=r"own.h5 \(it contains frames\) has none of the known formats.*cxi.*format=keys"
    ):
        recognise([str(tmp_path / "own.h5")], every_reader())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("a.npz", b"", "0 bytes"), ("a.npz", b"PK\x03\x04", "damaged"), ("a.h5", b"text", "is not HDF5")],
)
def test_a_damaged_file_is_reported_as_damaged_not_as_unknown(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        recognise([str(tmp_path / name)], every_reader())


def test_a_missing_file_is_named():
    with pytest.raises(DataError, match=r"no file absent.h5"):
        recognise(["absent.h5"], every_reader())
