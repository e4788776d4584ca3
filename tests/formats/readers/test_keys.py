"""Any file by its keys: units, axes, signs, masks, indices, and positions from a table."""

import h5py
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from tests.formats.samples import COUNTS, complex_array, reader, whole

PLACES = np.stack([np.arange(6.0), 10 + np.arange(6.0)], axis=1)  # row, column


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as handle:
        handle["entry/data/data_000001"], handle["entry/data/data_000002"] = COUNTS[:4], COUNTS[4:]
        handle["motors/both"], handle["motors/y"], handle["motors/x"] = PLACES, PLACES[:, 0], PLACES[:, 1][None]
        handle["motors/both"].attrs["units"] = "um"
        handle["energy"], handle["z"], handle["pixel"] = 8.8, 2200.0, 75.0
        handle["energy"].attrs["units"] = b"keV"
        handle["mask"] = np.eye(8, dtype=np.uint8)
        handle["probe"], handle["object"] = complex_array(2, 8, 8), complex_array(30, 30)
        handle["trigger"] = np.arange(6) * 2
    return str(tmp_path / "scan.h5")


BASE = {"diffraction": "entry/data/data_*", "positions": "motors/both"}


def test_every_named_key_is_read_in_its_unit(path):
    keys = reader(
        "keys", **BASE, energy="energy", distance="z", distance_unit="mm", detector_pixel="pixel",
        detector_pixel_unit="um", mask="mask", mask_good_value=1, probe="probe", object="object",
        position_index="trigger", frame_index="trigger", quantity="amplitude", zero_frequency="corner",
    )  # fmt: skip
    assert keys.recognises([path])
    raw = keys.read([path])
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    np.testing.assert_allclose(raw.positions_m, PLACES * 1e-6)
    assert raw.energy_ev == pytest.approx(8800)
    assert (raw.distance_m, raw.detector_pixel_m) == (pytest.approx(2.2), pytest.approx(75e-6))
    np.testing.assert_array_equal(raw.mask, np.eye(8) == 0)
    assert raw.probe.shape == (2, 8, 8)
    assert raw.obj.shape == (30, 30)
    assert raw.position_index.tolist() == raw.frame_index.tolist() == [0, 2, 4, 6, 8, 10]
    assert (raw.quantity, raw.zero_frequency) == ("amplitude", "corner")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, lambda p: p),
        ({"swap_axes": True}, lambda p: p[:, ::-1]),
        ({"flip_y": True}, lambda p: p * [-1, 1]),
        ({"flip_x": True}, lambda p: p * [1, -1]),
        ({"swap_axes": True, "flip_y": True}, lambda p: p[:, ::-1] * [-1, 1]),
    ],
    ids=["as stored", "swapped", "rows flipped", "columns flipped", "swapped, then flipped"],
)
def test_axes_are_swapped_and_signs_changed_as_requested(path, changes, expected):
    raw = reader("keys", **BASE, positions_unit="px", **changes).read([path])
    np.testing.assert_array_equal(raw.positions_px, expected(PLACES))
    assert raw.positions_m is None


def test_rows_and_columns_may_have_separate_keys(path):
    keys = {"diffraction": "entry/data/data_*", "positions_y": "motors/y", "positions_x": "motors/x"}
    raw = reader("keys", **keys, positions_unit="mm").read([path])
    np.testing.assert_allclose(raw.positions_m, PLACES * 1e-3)
    raw = reader("keys", **keys).read([path])
    np.testing.assert_allclose(raw.positions_m, PLACES)
    assert any("taken as metres" in note for note in raw.notes)


def test_frames_may_come_last_and_positions_may_be_transposed(path):
    with h5py.File(path, "a") as handle:
        handle["last"], handle["across"] = np.moveaxis(COUNTS, 0, -1), PLACES.T
    raw = reader("keys", diffraction="last", positions="across", frames_first=False).read([path])
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    np.testing.assert_array_equal(raw.positions_m, PLACES)


def test_positions_may_come_from_a_table(path, tmp_path):
    (tmp_path / "places.csv").write_text(
        "index,x_um,y_um\n" + "".join(f"{i},{x},{y}\n" for i, (y, x) in enumerate(PLACES))
    )
    keys = reader("keys", diffraction="entry/data/data_*")
    raw = keys.read([path, str(tmp_path / "places.csv")])
    np.testing.assert_allclose(raw.positions_m, PLACES * 1e-6)
    assert raw.position_index.tolist() == list(range(6))


def test_an_npz_file_is_read_too(tmp_path):
    np.savez(tmp_path / "scan.npz", reciprocal=COUNTS.astype(np.int32), position=PLACES)
    files = [str(tmp_path / "scan.npz")]
    assert reader("mdw771").recognises(files)
    raw = reader("mdw771").read(files)
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    assert raw.frames.dtype == np.int32
    np.testing.assert_array_equal(raw.positions_m, PLACES)


def test_a_key_map_without_keys_recognises_no_file_and_asks_for_a_key(path):
    assert not reader("keys").recognises([path])
    with pytest.raises(DataError, match=r"format.diffraction=KEY"):
        reader("keys").read([path])


def test_the_error_for_a_missing_key_names_the_nearest(path):
    keys = reader("keys", **{**BASE, "positions": "motor/both"})
    assert not keys.recognises([path])
    with pytest.raises(DataError, match="nearest: motors/both"):
        keys.read([path])


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "intensities"},
        {"zero_frequency": "middle"},
        {"positions_unit": "furlong"},
        {"energy_unit": "nm"},
        {"positions_y": "y"},
        {"positions": "p", "positions_y": "y", "positions_x": "x"},
    ],
    ids=str,
)
def test_impossible_arguments_are_refused(changes):
    with pytest.raises(Exception, match=r"format\."):
        reader("keys", **changes)


def test_positions_of_unequal_length_or_wrong_shape_are_refused(path):
    with pytest.raises(DataError, match="6 positions_y, but 8 positions_x"):
        with h5py.File(path, "a") as handle:
            handle["eight"] = np.arange(8.0)
        reader("keys", diffraction="entry/data/data_*", positions_y="motors/y", positions_x="eight").read([path])
    with pytest.raises(DataError, match=r"\(8, 8\); it must be \(N, 2\)"):
        reader("keys", diffraction="entry/data/data_*", positions="mask").read([path])
