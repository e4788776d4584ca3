"""ptycho-import and ptycho-inspect on complete, incomplete and damaged files."""

import dataclasses
import re

import h5py
import numpy as np
import pytest

from ptycho_bench.data.store import read_scan, write_scan
from ptycho_bench.physics.geometry import ELECTRON_C
from tests.cli.conftest import error_line

ENERGY_EV, DISTANCE_M, DETECTOR_M = 8800.0, 2.0, 55e-6
PIXEL_M = 12.398419843320026e-7 / ENERGY_EV * DISTANCE_M / (16 * DETECTOR_M)


@pytest.fixture
def cxi(tmp_path, tiny_scan):
    """The tiny scan as a CXI file of a beamline, with a bad pixel in its patterns of 16 px."""
    folder = tmp_path / "beamline"
    folder.mkdir()
    frames = np.round(tiny_scan.diffraction).astype(np.uint16)
    frames[:, 2, 3] = 65535
    middle = (tiny_scan.positions_px + 8) * PIXEL_M
    with h5py.File(folder / "scan.cxi", "w") as handle:
        handle["cxi_version"] = 160
        entry = handle.create_group("entry_1")
        entry["data_1/data"] = frames
        entry["data_1/translation"] = np.stack([middle[:, 1], middle[:, 0], 0 * middle[:, 0]], axis=1)
        entry["instrument_1/source_1/energy"] = ENERGY_EV * ELECTRON_C
        entry["instrument_1/detector_1/distance"] = DISTANCE_M
        entry["instrument_1/detector_1/x_pixel_size"] = DETECTOR_M
        entry["instrument_1/detector_1/y_pixel_size"] = DETECTOR_M
        entry["instrument_1/source_1/illumination"] = tiny_scan.probe
    return folder / "scan.cxi"


def change(path, **values):
    """Replace or remove data sets of a file; `__` in a name stands for /."""
    with h5py.File(path, "a") as handle:
        for name, value in values.items():
            key = "entry_1/" + name.replace("__", "/")
            if key in handle:
                del handle[key]
            if value is not None:
                handle[key] = value


def test_a_file_of_a_beamline_is_imported(command, cxi, tmp_path, tiny_scan):
    code, out, err = command("import", str(cxi), f"out={tmp_path}/scan.h5")
    assert code == 0, err
    assert "read as cxi" in out and "1 of 256 pixels are masked (121 values not measured)" in out
    assert "next: ptycho-reconstruct" in out
    scan = read_scan(tmp_path / "scan.h5")
    assert scan.info.pixel_size_m == pytest.approx(PIXEL_M)
    expected = tiny_scan.positions_px - tiny_scan.positions_px.min(axis=0)
    np.testing.assert_allclose(scan.positions_px, expected, atol=1e-3)
    assert np.argwhere(scan.mask).tolist() == [[2, 3]]
    expected = np.round(tiny_scan.diffraction).astype(np.uint16) * (scan.mask == 0)
    np.testing.assert_array_equal(scan.diffraction, expected)


def test_an_existing_file_is_replaced_only_on_request(command, cxi, tmp_path):
    words = (str(cxi), f"out={tmp_path}/scan.h5")
    assert command("import", *words)[0] == 0
    assert "exists; overwrite=true replaces it" in error_line(command("import", *words))
    assert command("import", *words, "overwrite=true")[0] == 0


def test_patterns_are_cropped_and_positions_swapped_on_request(command, cxi, tmp_path, tiny_scan):
    words = ("patterns.crop_px=8", "positions.orientation=swap")
    code, _, err = command("import", str(cxi), f"out={tmp_path}/scan.h5", *words)
    assert code == 0, err
    scan = read_scan(tmp_path / "scan.h5")
    assert scan.patch_px == 8
    expected = (tiny_scan.positions_px - tiny_scan.positions_px.min(axis=0))[:, ::-1] / 2
    np.testing.assert_allclose(scan.positions_px, expected, atol=1e-3)


def test_inspect_prints_what_a_file_contains_what_is_missing_and_what_to_do_next(command, cxi, tmp_path):
    code, out, err = command("inspect", str(cxi), "--picture", "--out", f"{tmp_path}/scan.png")
    assert code == 0, err
    for text in (
        "data  uint16 (121, 16, 16)", "read as cxi", "beam energy: 8.8 keV", "distance: 2 m", "detector pixel: 55 um",
        f"object pixel: {PIXEL_M * 1e9:.6g} nm", "patterns: 121 of 16 x 16 px, uint16", "masked pixels: 1 of 256",
        "missing for training: amplitude and phase", f"next: ptycho-import {cxi}",
    ):  # fmt: skip
        assert text in out, text
    assert (tmp_path / "scan.png").read_bytes().startswith(b"\x89PNG")
    assert command("import", str(cxi), f"out={tmp_path}/scan.h5")[0] == 0
    _, out, _ = command("inspect", f"{tmp_path}/scan.h5")
    assert "this project's own file" in out
    assert f"next: ptycho-reconstruct {tmp_path}/scan.h5 solver=rpie triplets=true" in out


def test_a_picture_never_replaces_data(command, cxi):
    before = cxi.read_bytes()
    assert "--out must end in .png" in error_line(command("inspect", str(cxi), "--out", str(cxi)))
    assert cxi.read_bytes() == before


def test_the_next_command_contains_the_options_of_the_user(command, cxi):
    change(cxi, instrument_1__source_1__energy=None)
    code, out, _ = command("inspect", str(cxi))
    assert code == 1 and "geometry.energy_ev=VALUE" in out
    code, out, _ = command("inspect", str(cxi), "geometry.energy_ev=8800")
    assert code == 0 and f"next: ptycho-import {cxi} geometry.energy_ev=8800" in out


def test_a_misspelt_option_of_inspect_is_refused_in_one_line(command, cxi):
    err = error_line(command("inspect", str(cxi), "geometry.enrgy_ev=8800"))
    assert err.startswith("error: no key 'geometry.enrgy_ev', did you mean 'geometry.energy_ev'?")


def test_options_of_an_import_are_refused_for_an_imported_file(command, cxi, tmp_path):
    assert command("import", str(cxi), f"out={tmp_path}/scan.h5")[0] == 0
    for name, words in (("inspect", ()), ("reconstruct", ("solver=rpie",))):
        err = error_line(command(name, f"{tmp_path}/scan.h5", *words, "positions.orientation=swap"))
        assert "is for importing: run ptycho-import on the original" in err


def test_a_file_of_another_program_is_tried_in_eight_orientations(command, cxi):
    code, out, err = command("inspect", str(cxi), "--orientation")
    assert code == 0, err
    assert "as_is" in out and "best: " in out


def test_inspect_names_the_orientation_that_fits_the_patterns(command, tmp_path, tiny_scan):
    swapped = tiny_scan.positions_px[:, ::-1].copy()
    unsolved = {"positions_px": swapped, "amplitude": None, "phase": None, "obj": None}
    write_scan(tmp_path / "scan.h5", dataclasses.replace(tiny_scan, **unsolved))
    code, out, err = command("inspect", f"{tmp_path}/scan.h5", "--orientation")
    assert code == 0, err
    assert "best: positions.orientation=swap\n" in out


def test_inspect_shows_a_file_that_is_no_scan_and_why_it_is_none(command, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as handle:
        handle["entry/data/data"] = np.ones((3, 8, 8), np.uint16)
    code, out, _ = command("inspect", f"{tmp_path}/other.h5")
    assert code == 1
    assert "data  uint16 (3, 8, 8)" in out and "format=keys" in out


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pickled(path):
    np.savez(path.with_suffix(".npz"), diffraction=np.array([{"a": 1}], object), probeGuess=1, objectGuess=1,
             xcoords=np.zeros(1), ycoords=np.zeros(1))  # fmt: skip
    path.with_suffix(".npz").rename(path)
    return path.rename(path.with_suffix(".npz"))


def unknown_filter(path):
    with h5py.File(path, "a") as handle:
        frames = handle["entry_1/data_1/data"][()]
        del handle["entry_1/data_1/data"]
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_chunk((1, 16, 16))
        create.set_filter(399, h5py.h5z.FLAG_OPTIONAL, ())
        space, kind = h5py.h5s.create_simple(frames.shape), h5py.h5t.NATIVE_UINT16
        data = h5py.h5d.create(handle["entry_1/data_1"].id, b"data", kind, space, create)
        for place in range(len(frames)):  # raw chunks that claim to have passed the filter
            data.write_direct_chunk((place, 0, 0), frames[place].tobytes(), filter_mask=0)


MIDDLE = np.linspace(0, 1e-6, 121)
BAD = {
    "truncated": (truncate, "truncated"),
    "0 bytes": (lambda path: path.write_bytes(b""), "is empty .0 bytes."),
    "not HDF5": (lambda path: path.write_text("y,x\n" * 500), "is not HDF5|cannot be read|no format"),
    "wrong key": (lambda path: change(path, data_1__data=None, data_1__frames=np.ones((3, 8, 8))), "has no .*data"),
    "no positions": (lambda path: change(path, data_1__translation=None), "no positions"),
    "fewer positions": (lambda path: change(path, data_1__translation=np.zeros((90, 3))), "121 frames, but 90 pos"),
    "all zero": (lambda path: change(path, data_1__data=np.zeros((121, 16, 16), np.uint16)), "zero in every frame"),
    "unclear energy": (lambda path: change(path, instrument_1__source_1__energy=8.8), "energy_ev"),
    "near field": (lambda path: change(path, instrument_1__detector_1__distance=2e-5, data_1__translation=np.stack(
        [MIDDLE * 1e3, MIDDLE[::-1] * 1e3, MIDDLE], axis=1)), "near field: .*Fresnel number"),
    "NaN positions": (lambda path: change(path, data_1__translation=np.full((121, 3), np.nan)), "positions are NaN"),
    "object arrays": (pickled, "objects"),
    "missing filter": (unknown_filter, "filter 399"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=BAD)
def test_a_damaged_file_is_refused_in_one_line_and_nothing_is_written(command, cxi, tmp_path, spoil, message):
    renamed = spoil(cxi)
    path = renamed if hasattr(renamed, "is_file") else cxi
    before = sorted(tmp_path.rglob("*"))
    assert re.search(message, error_line(command("import", str(path), f"out={tmp_path}/scan.h5")))
    assert sorted(tmp_path.rglob("*")) == before
