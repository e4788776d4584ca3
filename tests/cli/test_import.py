"""ptycho-import and ptycho-inspect on whole files, good and bad: one line each, nothing half-written."""

import h5py
import numpy as np
import pytest

from ptycho_bench.data.store import read_scan
from ptycho_bench.physics.geometry import ELECTRON_C

ENERGY_EV, DISTANCE_M, DETECTOR_M = 8800.0, 2.0, 55e-6
PIXEL_M = 12.398419843320026e-7 / ENERGY_EV * DISTANCE_M / (16 * DETECTOR_M)


@pytest.fixture
def cxi(tmp_path, tiny_scan):
    """The tiny scan as a beamline's CXI file, its 16 px patterns with a bad pixel."""
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
    """Replace or remove data sets of a file, named with __ for /."""
    with h5py.File(path, "a") as handle:
        for name, value in values.items():
            key = "entry_1/" + name.replace("__", "/")
            if key in handle:
                del handle[key]
            if value is not None:
                handle[key] = value


def test_a_beamlines_file_becomes_this_projects(command, cxi, tmp_path, tiny_scan):
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


def test_a_file_that_is_there_is_not_replaced_unasked(command, cxi, tmp_path):
    words = (str(cxi), f"out={tmp_path}/scan.h5")
    assert command("import", *words)[0] == 0
    code, _, err = command("import", *words)
    assert code == 1 and "exists; overwrite=true replaces it" in err
    assert command("import", *words, "overwrite=true")[0] == 0


def test_patterns_are_cut_and_positions_turned_on_request(command, cxi, tmp_path, tiny_scan):
    words = ("patterns.crop_px=8", "positions.orientation=swap")
    code, _, err = command("import", str(cxi), f"out={tmp_path}/scan.h5", *words)
    assert code == 0, err
    scan = read_scan(tmp_path / "scan.h5")
    assert scan.patch_px == 8
    expected = (tiny_scan.positions_px - tiny_scan.positions_px.min(axis=0))[:, ::-1] / 2
    np.testing.assert_allclose(scan.positions_px, expected, atol=1e-3)


def test_inspect_says_what_is_there_what_lacks_and_what_is_next(command, cxi, tmp_path):
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


def test_a_picture_never_takes_the_place_of_data(command, cxi):
    before = cxi.read_bytes()
    code, _, err = command("inspect", str(cxi), "--out", str(cxi))
    assert code == 1 and "--out must end in .png" in err
    assert cxi.read_bytes() == before


def test_the_next_command_carries_what_the_user_added(command, cxi):
    change(cxi, instrument_1__source_1__energy=None)
    code, out, _ = command("inspect", str(cxi))
    assert code == 1 and "geometry.energy_ev=VALUE" in out
    code, out, _ = command("inspect", str(cxi), "geometry.energy_ev=8800")
    assert code == 0 and f"next: ptycho-import {cxi} geometry.energy_ev=8800" in out


def test_a_misspelt_option_of_inspect_gets_one_line(command, cxi):
    code, _, err = command("inspect", str(cxi), "geometry.enrgy_ev=8800")
    assert code == 1 and err.startswith("error: no key 'geometry.enrgy_ev'") and len(err.splitlines()) == 1


def test_options_of_an_import_are_refused_for_what_was_imported(command, cxi, tmp_path):
    assert command("import", str(cxi), f"out={tmp_path}/scan.h5")[0] == 0
    for name, words in (("inspect", ()), ("reconstruct", ("solver=rpie",))):
        code, _, err = command(name, f"{tmp_path}/scan.h5", *words, "positions.orientation=swap")
        assert code == 1 and "is for importing: run ptycho-import on the original" in err


def test_a_foreign_file_too_can_be_tried_in_eight_orientations(command, cxi):
    code, out, err = command("inspect", str(cxi), "--orientation")
    assert code == 0, err
    assert "as_is" in out and "best: " in out


def test_inspect_names_the_orientation_the_patterns_fit(command, tmp_path, tiny_scan):
    from dataclasses import replace

    from ptycho_bench.data.store import write_scan

    turned = tiny_scan.positions_px[:, ::-1].copy()
    write_scan(tmp_path / "scan.h5", replace(tiny_scan, positions_px=turned, amplitude=None, phase=None, obj=None))
    code, out, err = command("inspect", f"{tmp_path}/scan.h5", "--orientation")
    assert code == 0, err
    assert "best: positions.orientation=swap\n" in out


def test_inspect_of_what_is_no_scan_shows_the_file_and_why(command, tmp_path):
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
        for place in range(len(frames)):  # raw chunks that say they went through the filter
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
def test_a_bad_file_gets_one_line_and_nothing_is_half_written(command, cxi, tmp_path, spoil, message):
    import re

    renamed = spoil(cxi)
    path = renamed if hasattr(renamed, "is_file") else cxi
    before = sorted(tmp_path.rglob("*"))
    code, _, err = command("import", str(path), f"out={tmp_path}/scan.h5")
    lines = [line for line in err.splitlines() if line]
    assert code == 1
    assert len(lines) == 1 and lines[0].startswith("error: "), err
    assert re.search(message, lines[0]), lines[0]
    assert sorted(tmp_path.rglob("*")) == before
