"""HDF5 files: frames through links and in blocks, and one-line errors for damaged files."""

import h5py
import hdf5plugin
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.hdf5 import hdf5_frames, open_hdf5, require_dataset
from ptycho_bench.formats.containers.hdf5 import whole as read_at_once
from tests.formats.samples import COUNTS, whole


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as handle:
        handle["entry/data/data"] = COUNTS
    return tmp_path / "scan.h5"


def refused(path, key="entry/data/data"):
    with pytest.raises(DataError) as error:
        whole(hdf5_frames(path, key)[0])
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


def test_frames_are_read_and_the_file_is_closed(path):
    frames, raster = hdf5_frames(path, "entry/data/data")
    assert raster is None
    np.testing.assert_array_equal(whole(frames), COUNTS)
    np.testing.assert_array_equal(whole(frames), COUNTS)
    with h5py.File(path, "a") as handle:  # HDF5 refuses to write to a file that is open for reading
        handle["more"] = 1


@pytest.mark.parametrize("block_frames", [1, 2, 4, 100])
def test_a_raster_is_flattened_row_by_row_for_any_size_of_block(path, monkeypatch, block_frames):
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", block_frames * COUNTS[0].nbytes)
    with h5py.File(path, "a") as handle:
        handle["cube"] = COUNTS.reshape(2, 3, 8, 8)
    frames, raster = hdf5_frames(path, "cube")
    assert raster == (2, 3)
    assert max(len(block) for block in frames.blocks()) <= block_frames
    np.testing.assert_array_equal(whole(frames), COUNTS)


def test_axes_of_length_one_do_not_form_a_raster(path):
    with h5py.File(path, "a") as handle:
        handle["one"] = COUNTS[None]
        handle["channel"] = COUNTS[..., None]
        handle["single"] = COUNTS[0]
    for key, expected in (("one", COUNTS), ("channel", COUNTS), ("single", COUNTS[:1])):
        frames, raster = hdf5_frames(path, key)
        assert raster is None
        np.testing.assert_array_equal(whole(frames), expected)


def test_frames_may_come_last(path):
    with h5py.File(path, "a") as handle:
        handle["last"] = np.moveaxis(COUNTS, 0, -1)
    frames, _ = hdf5_frames(path, "last", frames_first=False)
    np.testing.assert_array_equal(whole(frames), COUNTS)


def test_frames_have_native_byte_order(path):
    with h5py.File(path, "a") as handle:
        handle["big"] = COUNTS.astype(">u2")
    frames, _ = hdf5_frames(path, "big")
    assert whole(frames).dtype.isnative
    np.testing.assert_array_equal(whole(frames), COUNTS)


def test_several_data_sets_are_joined_in_natural_order(tmp_path):
    for number in range(12):
        with h5py.File(tmp_path / f"part_{number}.h5", "w") as part:
            part["data"] = np.full((1, 4, 4), number, np.uint32)
    with h5py.File(tmp_path / "master.h5", "w") as handle:
        for number in range(12):
            handle[f"entry/data/data_{number}"] = h5py.ExternalLink(f"part_{number}.h5", "data")
    frames, _ = hdf5_frames(tmp_path / "master.h5", "entry/data/data_*")
    assert whole(frames)[:, 0, 0].tolist() == list(range(12))


def test_a_linked_file_that_moved_is_found_in_the_folder_of_its_master(tmp_path):
    with h5py.File(tmp_path / "part.h5", "w") as part:
        part["data"] = COUNTS
    with h5py.File(tmp_path / "master.h5", "w") as handle:
        handle["data"] = h5py.ExternalLink("/elsewhere/part.h5", "data")
    np.testing.assert_array_equal(whole(hdf5_frames(tmp_path / "master.h5", "data")[0]), COUNTS)


def test_a_linked_file_that_is_missing_is_named(path):
    with h5py.File(path, "a") as handle:
        handle["linked"] = h5py.ExternalLink("part_000001.h5", "data")
    assert "part_000001.h5, which is missing" in refused(path, "linked")


def test_a_missing_part_of_a_virtual_data_set_is_not_read_as_zeros(tmp_path):
    layout = h5py.VirtualLayout((6, 8, 8), np.uint16)
    layout[:] = h5py.VirtualSource(tmp_path / "part.h5", "data", (6, 8, 8))
    with h5py.File(tmp_path / "virtual.h5", "w") as handle:
        handle.create_virtual_dataset("data", layout, fillvalue=0)
    assert "part.h5, which is missing" in refused(tmp_path / "virtual.h5", "data")
    with h5py.File(tmp_path / "part.h5", "w") as part:
        part["data"] = COUNTS
    np.testing.assert_array_equal(whole(hdf5_frames(tmp_path / "virtual.h5", "data")[0]), COUNTS)


def test_links_in_a_circle_are_refused(path):
    with h5py.File(path, "a") as handle:
        handle["a"], handle["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
    assert "circle" in refused(path, "a")


def test_the_error_for_a_missing_key_names_the_nearest(path):
    assert "nearest: entry/data/data" in refused(path, "entry/data/dta")
    assert "nearest: entry/data/data" in refused(path, "entry_1/data_1/data")
    assert "it has entry" in refused(path, "zzz")


def test_a_group_is_not_a_data_set(path):
    assert "is a group; name one of its members: data" in refused(path, "entry/data")


@pytest.mark.parametrize(
    ("stored", "message"),
    [(np.zeros((0, 8, 8)), "shape (0, 8, 8)"), (np.arange(5), "shape (5,)"), (h5py.Empty("f"), "empty")],
    ids=["no frames", "a list", "nothing"],
)
def test_a_data_set_without_frames_is_refused(path, stored, message):
    with h5py.File(path, "a") as handle:
        handle["odd"] = stored
    assert message in refused(path, "odd")


def test_text_is_refused(path):
    with h5py.File(path, "a") as handle:
        handle["text"] = [["a", "b"]]
    assert "real numbers" in refused(path, "text")


def test_compressed_detector_frames_are_read(path):
    with h5py.File(path, "a") as handle:
        handle.create_dataset("packed", data=COUNTS, chunks=(1, 8, 8), **hdf5plugin.Bitshuffle(cname="lz4"))
    np.testing.assert_array_equal(whole(hdf5_frames(path, "packed")[0]), COUNTS)


def test_the_error_for_a_missing_filter_names_its_package(path, monkeypatch):
    monkeypatch.setattr("ptycho_bench.formats.containers.filters.import_plugin", lambda: None)
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_chunk((1, 8, 8))
    created.set_filter(40321, h5py.h5z.FLAG_OPTIONAL)  # not a registered filter
    with h5py.File(path, "a") as handle:
        space = h5py.h5s.create_simple(COUNTS.shape)
        kept = h5py.h5d.create(handle.id, b"packed", h5py.h5t.NATIVE_UINT16, space, created)
        kept.write_direct_chunk((0, 0, 0), b"squeezed", filter_mask=0)
    message = refused(path, "packed")
    assert "filter 40321" in message
    assert "pip install hdf5plugin" in message


def test_a_file_that_is_missing_empty_or_another_kind_is_refused(tmp_path, path):
    assert "no file" in refused(tmp_path / "absent.h5")
    (tmp_path / "empty.h5").touch()
    assert "0 bytes" in refused(tmp_path / "empty.h5")
    (tmp_path / "text.h5").write_text("no HDF5 here")
    assert "is not HDF5" in refused(tmp_path / "text.h5")
    assert "is a folder" in refused(tmp_path)


def test_a_truncated_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-200])
    assert "truncated" in refused(path)


def test_parts_with_frames_of_different_size_are_refused(path):
    with h5py.File(path, "a") as handle:
        handle["entry/data/data_2"] = np.zeros((2, 4, 4))
    assert "4 x 4, 8 x 8 px" in refused(path, "entry/data/data*")


def test_a_data_set_in_another_file_can_be_read(tmp_path):
    with h5py.File(tmp_path / "part.h5", "w") as part:
        part["deep/data"] = COUNTS
    with h5py.File(tmp_path / "master.h5", "w") as handle:
        handle["chunks/0"] = h5py.ExternalLink("part.h5", "/deep")
    with open_hdf5(tmp_path / "master.h5") as handle:
        np.testing.assert_array_equal(require_dataset(handle, "chunks/0/data")[()], COUNTS)


def test_sizes_that_a_file_claims_are_bounded(path):
    with h5py.File(path, "a") as handle:
        handle.create_dataset("many", (10**7, 512, 512), "f4", chunks=(1, 512, 512))
        handle.create_dataset("wide", (1, 10**4, 10**4), "u1", chunks=(1, 512, 512))
        handle.create_dataset("long", (2 * 10**8, 1, 1), "u1", chunks=(10**6, 1, 1))
        handle.create_dataset("chunk", (4, 8, 8), "f4", chunks=(500, 1024, 1024), maxshape=(None, None, None))
    assert "/many claims 9766 GiB, but only 0 bytes of it are in the file" in refused(path, "many")
    for key in ("wide", "long"):
        assert "at most 100,000,000 frames of 67,108,864 pixels are read" in refused(path, key)
    assert "/chunk has chunks of 1.953 GiB, at most 1 GiB are read" in refused(path, "chunk")


def test_an_array_that_is_read_at_once_is_bounded(path, monkeypatch):
    monkeypatch.setattr("ptycho_bench.formats.containers.hdf5.MOST_BYTES", 100)
    with open_hdf5(path) as handle, pytest.raises(DataError, match="only patterns may be larger: name another key"):
        read_at_once(require_dataset(handle, "entry/data/data"))


def test_frames_in_a_raw_file_are_refused(path, tmp_path):
    COUNTS.tofile(tmp_path / "secret.raw")
    with h5py.File(path, "a") as handle:
        handle.create_dataset(
            "raw", COUNTS.shape, COUNTS.dtype, external=[(str(tmp_path / "secret.raw"), 0, COUNTS.nbytes)]
        )
    assert "is stored in the raw file" in refused(path, "raw")
