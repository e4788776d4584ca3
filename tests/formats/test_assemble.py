"""Conversion of a raw scan: geometry, place of the object, probe, masks, and what is refused."""

import dataclasses

import numpy as np
import pytest
import torch

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import stream_array
from ptycho_bench.data.store import read_scan, write_scan
from ptycho_bench.formats.assemble import assemble
from ptycho_bench.formats.geometry import Geometry
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.scan import cut_patches
from tests.formats.test_patterns import AS_STORED as PATTERNS
from tests.formats.test_positions import AS_STORED as POSITIONS

GEOMETRY = Geometry(beam="photons", energy_ev=None, distance_m=None, detector_pixel_m=None, pixel_size_m=None)
ENERGY_EV, DISTANCE_M, DETECTOR_M = 8800.0, 2.0, 55e-6
PIXEL_M = 12.398419843320026e-7 / ENERGY_EV * DISTANCE_M / (16 * DETECTOR_M)


@pytest.fixture
def raw(tiny_scan) -> RawScan:
    """Return the tiny scan as a beamline would store it: positions of the beam's middle in metres, from any origin."""
    return RawScan(
        source="scan.h5", format="keys", frames=stream_array(tiny_scan.diffraction),
        positions_m=(tiny_scan.positions_px + 8) * PIXEL_M - 1e-3, energy_ev=ENERGY_EV, distance_m=DISTANCE_M,
        detector_pixel_m=DETECTOR_M,
    )  # fmt: skip


def run(raw, *, geometry=GEOMETRY, patterns=PATTERNS, positions=POSITIONS):
    return assemble(raw, geometry=geometry, patterns=patterns, positions=positions)


def whole(stream):
    return np.concatenate(list(stream.blocks()))


def test_metres_become_pixels_by_wavelength_distance_and_detector(raw, tiny_scan):
    scan, notes = run(raw)
    assert scan.info.pixel_size_m == pytest.approx(PIXEL_M, rel=1e-9)
    expected = tiny_scan.positions_px - tiny_scan.positions_px.min(axis=0)
    np.testing.assert_allclose(scan.positions_px, expected, atol=1e-6)
    np.testing.assert_array_equal(whole(scan.diffraction), tiny_scan.diffraction)
    assert not notes
    assert scan.info.origin == "imported from keys"


def test_an_assembled_scan_can_be_written_and_read(raw, tmp_path):
    scan, _ = run(raw)
    write_scan(tmp_path / "scan.h5", scan)
    back = read_scan(tmp_path / "scan.h5")
    assert back.info == scan.info
    assert back.amplitude is None and back.probe is None


def test_electrons_have_their_relativistic_wavelength(raw):
    scan, _ = run(dataclasses.replace(raw, energy_ev=300e3), geometry=dataclasses.replace(GEOMETRY, beam="electrons"))
    assert scan.info.pixel_size_m == pytest.approx(1.9687e-12 * DISTANCE_M / (16 * DETECTOR_M), rel=1e-4)


def test_a_crop_makes_the_objects_pixels_larger(raw):
    scan, notes = run(raw, patterns=dataclasses.replace(PATTERNS, crop_px=8))
    assert scan.info.pixel_size_m == pytest.approx(2 * PIXEL_M)
    full, _ = run(raw)
    np.testing.assert_allclose(scan.positions_px, full.positions_px / 2)
    assert "patterns of 16 x 16 px are cut to 8 px" in notes


def test_binning_keeps_the_objects_pixels(raw):
    scan, _ = run(raw, patterns=dataclasses.replace(PATTERNS, bin=2))
    assert scan.info.pixel_size_m == pytest.approx(PIXEL_M)
    assert scan.info.detector_pixel_m == 2 * DETECTOR_M
    full, _ = run(raw)
    np.testing.assert_allclose(scan.positions_px, full.positions_px)


def test_a_given_pixel_size_takes_precedence_and_a_contradiction_is_reported(raw):
    scan, notes = run(raw, geometry=dataclasses.replace(GEOMETRY, pixel_size_m=2 * PIXEL_M))
    assert scan.info.pixel_size_m == 2 * PIXEL_M
    assert any("energy, distance and detector pixel give" in note for note in notes)


def test_metres_without_a_pixel_size_are_refused_and_what_is_missing_is_named(raw):
    with pytest.raises(
        DataError, match=r"object pixel is unknown, because distance_m is missing; set geometry\.distance_m=VALUE"
    ):
        run(dataclasses.replace(raw, distance_m=None))


def test_pixels_need_no_geometry(raw, tiny_scan):
    bare = dataclasses.replace(
        raw, positions_m=None, positions_px=tiny_scan.positions_px, energy_ev=None, distance_m=None
    )
    scan, _ = run(bare)
    assert scan.info.pixel_size_m is None
    np.testing.assert_allclose(scan.positions_px, tiny_scan.positions_px - tiny_scan.positions_px.min(axis=0))


def test_the_near_field_is_refused_with_its_fresnel_number(raw):
    wide_m, wavelength_m = 100e-9, 12.398419843320026e-7 / ENERGY_EV
    near = dataclasses.replace(
        raw, distance_m=1e-3, pixel_size_m=wide_m, positions_m=raw.positions_m * wide_m / PIXEL_M
    )
    number = (8 * wide_m) ** 2 / (wavelength_m * 1e-3)
    with pytest.raises(DataError, match=rf"near field: .* half a patch, 8e-07 m, has the Fresnel number {number:.3g}"):
        run(near)
    with pytest.raises(DataError, match="as wide as a scan step"):
        run(dataclasses.replace(raw, distance_m=1e-5, positions_m=raw.positions_m * 1e4))


def test_an_implausible_scale_of_the_probe_is_reported(raw, tiny_scan):
    assert not any("photons" in note for note in run(dataclasses.replace(raw, probe=tiny_scan.probe))[1])
    notes = run(dataclasses.replace(raw, probe=tiny_scan.probe / 100))[1]
    assert any("the file's probe contains 1 photons" in note for note in notes)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_binned_probe_predicts_the_binned_patterns_middle(raw, tiny_scan, factor):
    """The middle of the square that contains the zero frequency is (bin - 1) / 2 pixels away from it."""
    narrow = tiny_scan.probe.copy()
    narrow[:, :6], narrow[:, 10:], narrow[:, :, :6], narrow[:, :, 10:] = 0, 0, 0, 0  # its pattern is smooth
    frames = diffraction_intensity(torch.from_numpy(narrow), torch.ones(121, 16, 16, dtype=torch.complex64)).numpy()
    bare = dataclasses.replace(raw, frames=stream_array(frames), probe=narrow)
    scan, _ = run(bare, patterns=dataclasses.replace(PATTERNS, bin=factor))
    side = 16 // factor
    middle = narrow[:, 8 - side // 2 : 8 + side // 2, 8 - side // 2 : 8 + side // 2]

    def error(probe):
        empty = diffraction_intensity(torch.from_numpy(probe), torch.ones(side, side, dtype=torch.complex64)).numpy()
        measured = whole(scan.diffraction)[0]
        return np.abs(empty / empty.sum() - measured / measured.sum()).sum()

    assert error(scan.probe) < 0.75 * error(middle)


@pytest.mark.parametrize("side", [15, 16])
def test_an_object_of_any_side_is_placed_where_it_was_written(tmp_path, side):
    corners = np.array([[0.0, 0.0], [3.0, 5.0], [7.0, 2.0]])
    frames = stream_array(np.ones((3, side, side), np.float32))
    middle = (corners + side / 2 - np.array([31, 40]) / 2) * PIXEL_M
    obj = np.ones((31, 40), np.complex64)
    scan, _ = run(RawScan(source="a", format="ptychodus", frames=frames, positions_m=middle, pixel_size_m=PIXEL_M,
                          obj=obj, obj_centre=(0.0, 0.0)))  # fmt: skip
    np.testing.assert_allclose(scan.positions_px, corners, atol=1e-6)


def test_the_object_of_a_product_is_placed_under_its_positions(raw, tiny_scan):
    obj, centre = tiny_scan.obj, np.array(tiny_scan.obj.shape) / 2 * PIXEL_M - 1e-3
    scan, notes = run(dataclasses.replace(raw, obj=obj, obj_centre=tuple(centre), origin="solved by ptychodus"))
    assert not notes
    np.testing.assert_array_equal(scan.positions_px.round(), tiny_scan.positions_px)
    np.testing.assert_allclose(whole(scan.amplitude), tiny_scan.amplitude, rtol=1e-6)
    np.testing.assert_allclose(whole(scan.phase), tiny_scan.phase, atol=1e-6)
    assert scan.info.origin == "solved by ptychodus from keys"


def test_an_object_too_small_for_its_positions_is_ignored_with_a_note(raw, tiny_scan):
    obj, centre = tiny_scan.obj[:60], np.array(tiny_scan.obj.shape) / 2 * PIXEL_M - 1e-3
    scan, notes = run(dataclasses.replace(raw, obj=obj, obj_centre=tuple(centre)))
    assert scan.obj is None and scan.amplitude is None
    assert notes == ["the file's object is ignored, because some positions lie outside it"]


def test_a_cropped_probe_predicts_the_cropped_patterns(tiny_scan, raw):
    """A band-limited probe of a narrower detector is the same beam in larger pixels."""
    smooth = dataclasses.replace(raw, probe=tiny_scan.probe)
    scan, _ = run(smooth, patterns=dataclasses.replace(PATTERNS, crop_px=8))
    empty = diffraction_intensity(torch.from_numpy(tiny_scan.probe), torch.ones(16, 16, dtype=torch.complex64))
    cropped = diffraction_intensity(torch.from_numpy(scan.probe), torch.ones(8, 8, dtype=torch.complex64))
    torch.testing.assert_close(cropped, empty[4:12, 4:12], rtol=1e-4, atol=1e-2)


def test_a_probe_of_another_size_is_ignored_with_a_note(raw):
    scan, notes = run(dataclasses.replace(raw, probe=np.ones((1, 8, 8), np.complex64)))
    assert scan.probe is None
    assert any("probe of (8, 8) px does not fit" in note for note in notes)


def test_bad_pixels_of_file_user_and_detector_are_combined(raw, tiny_scan, tmp_path):
    frames = tiny_scan.diffraction.copy()
    frames[[7, 90], 2, 3] = np.nan
    own, users = np.zeros((16, 16), bool), np.zeros((16, 16), np.uint8)
    own[0, 0], users[5, 5] = True, 1
    np.save(tmp_path / "mask.npy", users)
    scan, notes = run(
        dataclasses.replace(raw, frames=stream_array(frames), mask=own),
        patterns=dataclasses.replace(PATTERNS, mask_path=str(tmp_path / "mask.npy")),
    )
    assert np.argwhere(scan.mask).tolist() == [[0, 0], [2, 3], [5, 5]]
    assert notes == ["3 of 256 pixels are masked (2 values not measured)"]
    assert (whole(scan.diffraction)[:, scan.mask > 0] == 0).all()


def test_a_mask_of_another_size_is_refused(raw):
    with pytest.raises(DataError, match=r"the mask has shape \(8, 8\), frames have \(16, 16\)"):
        run(dataclasses.replace(raw, mask=np.zeros((8, 8), bool)))


def test_frames_without_a_good_pixel_are_refused(raw):
    with pytest.raises(DataError, match="every pixel is masked or bad"):
        run(dataclasses.replace(raw, mask=np.ones((16, 16), bool)))


def test_empty_frames_and_saturation_are_reported(raw, tiny_scan):
    frames = tiny_scan.diffraction.clip(max=50)
    frames[4] = 0
    _, notes = run(dataclasses.replace(raw, frames=stream_array(frames)))
    assert any("1 of 121 frames are empty" in note for note in notes)
    assert any("equal the largest, 50; the detector may be saturated" in note for note in notes)


def test_labels_of_the_file_follow_the_frames_that_are_kept(raw, tiny_scan):
    index = np.arange(121)[::2]
    labelled = dataclasses.replace(
        raw, positions_m=raw.positions_m[index], position_index=index, amplitude=stream_array(tiny_scan.amplitude),
        phase=stream_array(tiny_scan.phase),
    )  # fmt: skip
    scan, _ = run(labelled)
    np.testing.assert_array_equal(whole(scan.diffraction), tiny_scan.diffraction[index])
    np.testing.assert_array_equal(whole(scan.amplitude), tiny_scan.amplitude[index])
    np.testing.assert_array_equal(whole(scan.phase), tiny_scan.phase[index])


def test_the_assembled_scan_predicts_its_own_patterns(raw, tiny_scan):
    """Positions, object and probe agree to better than a pixel."""
    centre = np.array(tiny_scan.obj.shape) / 2 * PIXEL_M - 1e-3
    scan, _ = run(dataclasses.replace(raw, obj=tiny_scan.obj, obj_centre=tuple(centre), probe=tiny_scan.probe))
    patches = cut_patches(torch.from_numpy(scan.obj), torch.from_numpy(scan.positions_px).round(), (16, 16))
    predicted = diffraction_intensity(torch.from_numpy(scan.probe), patches)
    np.testing.assert_allclose(predicted.numpy(), whole(scan.diffraction), rtol=1e-2, atol=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beam": "neutrons"}, "geometry.beam must be photons or electrons"),
        ({"energy_ev": 0.0}, r"energy_ev must lie in \(0, 1e12\], got 0"),
        ({"pixel_size_m": float("inf")}, "pixel_size_m must be a finite number"),
    ],
)
def test_impossible_geometry_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(GEOMETRY, **change)
