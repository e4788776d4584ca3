"""ptypy's prepared data, with its chunks in the file or linked, and its reconstructions."""

import h5py
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from tests.formats.samples import COUNTS, complex_array, reader, whole

PLACES = np.stack([np.arange(6), -np.arange(6)], axis=1) * 1e-6
INDICES = np.array([0, 1, 3, 4, 5, 9])


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "scan.ptyd", "w") as handle:
        handle["meta/energy"], handle["meta/distance"], handle["meta/psize"] = 8.8, 2.2, [75e-6, 75e-6]
        for number, part in ((0, slice(0, 2)), (2, slice(2, 3)), (10, slice(3, 6))):  # 10 comes after 2
            chunk = handle.create_group(f"chunks/{number}")
            chunk["data"], chunk["positions"], chunk["indices"] = COUNTS[part], PLACES[part], INDICES[part]
            chunk["weights"] = np.zeros(0)
    return str(tmp_path / "scan.ptyd")


def write_result(path, **storages):
    with h5py.File(path, "w") as handle:
        for name, data in {"obj/Sscan00G00": complex_array(1, 20, 24), **storages}.items():
            handle[f"content/{name}/data"] = data
            handle[f"content/{name}/_psize"] = np.array([8e-9, 8e-9])
            handle[f"content/{name}/_origin"] = np.array([-1e-7, -2e-7])
        handle["content/probe/Sscan00G00/data"] = complex_array(2, 8, 8)
    return str(path)


def test_chunks_are_joined_in_the_order_of_their_numbers(path):
    assert reader("ptypy").recognises([path])
    raw = reader("ptypy").read([path])
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    np.testing.assert_array_equal(raw.positions_m, PLACES)
    np.testing.assert_array_equal(raw.frame_index, INDICES)
    np.testing.assert_array_equal(raw.position_index, INDICES)
    assert raw.energy_ev == pytest.approx(8800)
    assert (raw.distance_m, raw.detector_pixel_m, raw.mask) == (2.2, 75e-6, None)


def test_frames_missing_from_the_file_are_listed(path):
    assert any(
        "4 frames of the scan are not in the file: 2, 6, 7, 8" in note for note in reader("ptypy").read([path]).notes
    )


def test_weights_contain_mask_and_flat_field(path):
    weights = np.ones((2, 8, 8))
    weights[1, 2, 3], weights[0, 5, 5] = 0, 0.5
    with h5py.File(path, "a") as handle:
        del handle["chunks/0/weights"]
        handle["chunks/0/weights"] = weights
    raw = reader("ptypy").read([path])
    assert np.argwhere(raw.mask).tolist() == [[2, 3]]
    assert any("the weights, 0.5 to 1, contain a flat field, which is not applied" in note for note in raw.notes)


def test_one_weight_for_all_frames_is_read(path):
    with h5py.File(path, "a") as handle:
        handle["meta/weight2d"] = np.eye(8) == 0
    np.testing.assert_array_equal(reader("ptypy").read([path]).mask, np.eye(8) == 1)


def test_linked_chunks_are_followed_and_a_missing_one_is_named(path, tmp_path):
    with h5py.File(path, "a") as handle, h5py.File(tmp_path / "scan.ptyd.part002", "w") as part:
        handle.copy("chunks/2", part, "chunk")
        for name in handle["chunks/2"]:
            part[name] = handle[f"chunks/2/{name}"][()]
        del handle["chunks/2"]
        handle["chunks/2"] = h5py.ExternalLink("/another/computer/scan.ptyd.part002", "/")
    np.testing.assert_array_equal(whole(reader("ptypy").read([path]).frames), COUNTS)
    (tmp_path / "scan.ptyd.part002").unlink()
    with pytest.raises(DataError, match=r"scan.ptyd.part002, which is missing"):
        reader("ptypy").read([path])


def test_a_reconstruction_gives_probe_and_object(path, tmp_path):
    result = write_result(tmp_path / "scan.ptyr")
    for files in ([path, result], [result, path]):
        raw = reader("ptypy").read(files)
        np.testing.assert_array_equal(raw.probe, complex_array(2, 8, 8))
        np.testing.assert_array_equal(raw.obj, complex_array(20, 24))
        assert raw.pixel_size_m == 8e-9
        assert raw.obj_centre == pytest.approx((-1e-7 + 10 * 8e-9, -2e-7 + 12 * 8e-9))
        assert raw.origin == "solved by ptypy"


def test_a_reconstruction_alone_is_refused(tmp_path):
    result = write_result(tmp_path / "scan.ptyr")
    assert reader("ptypy").recognises([result])
    with pytest.raises(DataError, match=r"ptypy result with probe and object only; name the .ptyd file too"):
        reader("ptypy").read([result])


def test_a_reconstruction_of_several_scans_is_refused(path, tmp_path):
    result = write_result(tmp_path / "scan.ptyr", **{"obj/Sscan01G00": complex_array(1, 20, 24)})
    with pytest.raises(DataError, match="2 storages of obj: Sscan00G00, Sscan01G00"):
        reader("ptypy").read([path, result])


def test_a_file_without_chunks_is_refused(tmp_path):
    with h5py.File(tmp_path / "scan.ptyd", "w") as handle:
        handle["chunk/0/data"] = COUNTS
    with pytest.raises(DataError, match="nearest: chunk/0/data"):
        reader("ptypy").read([str(tmp_path / "scan.ptyd")])


def test_an_index_of_any_size_is_read_at_once(path):
    with h5py.File(path, "a") as handle:
        handle["chunks/0/indices"][0] = 10**12
    assert any(" frames of the scan are not in the file: " in note for note in reader("ptypy").read([path]).notes)
