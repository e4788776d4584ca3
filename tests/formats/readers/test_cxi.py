"""CXI and its NeXus form: which key is used, in which unit, with which sign."""

import h5py
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from tests.formats.samples import COUNTS, complex_array, reader, whole

XYZ = np.stack([np.arange(6), 10 + np.arange(6), np.zeros(6)], axis=1) * 1e-6
JOULE = 1.602176634e-19


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "scan.cxi", "w") as handle:
        handle["cxi_version"] = 160
        instrument = handle.create_group("entry_1/instrument_1")
        instrument["detector_1/data"] = COUNTS
        instrument["detector_1/distance"] = 2.2
        instrument["detector_1/x_pixel_size"] = instrument["detector_1/y_pixel_size"] = 75e-6
        instrument["source_1/energy"] = 8800 * JOULE
        handle["entry_1/sample_1/geometry_1/translation"] = XYZ
        handle["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        handle["entry_1/data_1/translation"] = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")
    return str(tmp_path / "scan.cxi")


def changed(path, **entries):
    """Replace keys of the file, with __ for /, or remove them if the value is None; return the path in a list."""
    with h5py.File(path, "a") as handle:
        for name, value in entries.items():
            key = "entry_1/" + name.replace("__", "/")
            if key in handle or handle.get(key, getlink=True):
                del handle[key]
            if value is not None:
                handle[key] = value
    return [path]


def test_patterns_positions_and_geometry_are_read(path):
    raw = reader("cxi").read([path])
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    np.testing.assert_allclose(raw.positions_m, XYZ[:, [1, 0]])
    assert raw.energy_ev == pytest.approx(8800)
    assert (raw.distance_m, raw.detector_pixel_m) == (2.2, 75e-6)
    assert (raw.quantity, raw.zero_frequency, raw.raster, raw.mask, raw.probe) == (
        "intensity",
        "centre",
        None,
        None,
        None,
    )
    assert any("(y, x)" in note for note in raw.notes)


def test_the_specimens_translation_is_the_beams_negated(path):
    raw = reader("cxi", negate_translation=True).read([path])
    np.testing.assert_allclose(raw.positions_m, -XYZ[:, [1, 0]])


def test_the_first_key_of_positions_is_used(path):
    other = np.full((6, 3), 7.0)
    files = changed(path, data_1__translation=None, instrument_1__detector_1__translation=other)
    np.testing.assert_allclose(reader("cxi").read(files).positions_m, XYZ[:, [1, 0]])
    files = changed(path, sample_1__geometry_1__translation=None)
    np.testing.assert_allclose(reader("cxi").read(files).positions_m, other[:, :2])
    files = changed(path, instrument_1__detector_1__translation=np.zeros(3))  # position of the detector itself
    assert reader("cxi").read(files).positions_m is None


def test_positions_may_be_transposed_or_a_raster_or_in_micrometres(path):
    files = changed(path, sample_1__geometry_1__translation=XYZ.T)
    np.testing.assert_allclose(reader("cxi").read(files).positions_m, XYZ[:, [1, 0]])
    files = changed(path, sample_1__geometry_1__translation=XYZ.reshape(2, 3, 3) * 1e6)
    with h5py.File(path, "a") as handle:
        handle["entry_1/sample_1/geometry_1/translation"].attrs["units"] = "um"
    np.testing.assert_allclose(reader("cxi").read(files).positions_m, XYZ[:, [1, 0]])


def test_a_raster_has_four_axes_in_nexus_files(path):
    files = changed(path, instrument_1__detector_1__data=COUNTS.reshape(2, 3, 8, 8))
    raw = reader("cxi").read(files)
    assert raw.raster == (2, 3)
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)


def test_an_energy_in_ev_instead_of_joules_is_accepted_with_a_note(path):
    raw = reader("cxi").read(changed(path, instrument_1__source_1__energy=8800.0))
    assert raw.energy_ev == 8800
    assert any("taken as eV because of its magnitude" in note for note in raw.notes)


def test_the_energy_of_the_beam_takes_precedence_over_that_of_the_accelerator(path):
    files = changed(path, instrument_1__source_1__energy=3e9, instrument_1__beam_1__energy=8.8)
    with h5py.File(path, "a") as handle:
        handle["entry_1/instrument_1/beam_1/energy"].attrs["units"] = "keV"
    assert reader("cxi").read(files).energy_ev == pytest.approx(8800)


def test_the_energy_of_the_accelerator_alone_is_ignored_with_a_note(path):
    raw = reader("cxi").read(changed(path, instrument_1__source_1__energy=3e9))
    assert raw.energy_ev is None
    assert any("3e+09" in note and "geometry.energy_ev" in note for note in raw.notes)


def test_a_wavelength_replaces_a_missing_energy(path):
    files = changed(path, instrument_1__source_1__energy=None, instrument_1__source_1__wavelength=1.4089e-10)
    assert reader("cxi").read(files).energy_ev == pytest.approx(8800, rel=1e-3)


def test_the_corner_of_the_detector_replaces_a_missing_distance(path):
    corner = np.array([1e-3, 1e-3, -1.5])
    files = changed(path, instrument_1__detector_1__distance=None, instrument_1__detector_1__corner_position=corner)
    assert reader("cxi").read(files).distance_m == 1.5


def test_every_mask_bit_except_that_of_signal_marks_a_bad_pixel(path):
    mask = np.zeros((8, 8), np.uint32)
    mask[0, :4] = 1, 4, 8, 0x1000
    raw = reader("cxi").read(changed(path, instrument_1__detector_1__mask=mask))
    assert raw.mask.dtype == bool
    assert np.argwhere(raw.mask).tolist() == [[0, 0], [0, 1], [0, 2]]


def test_masks_of_single_frames_are_combined(path):
    mask = np.zeros((6, 8, 8), np.uint32)
    mask[2, 1, 1] = mask[5, 3, 3] = 1
    raw = reader("cxi").read(changed(path, instrument_1__detector_1__mask=mask))
    assert np.argwhere(raw.mask).tolist() == [[1, 1], [3, 3]]
    assert any("bad in one frame" in note for note in raw.notes)


def test_image_1_is_a_probe_only_if_there_is_an_object(path):
    probe, obj = complex_array(2, 8, 8), complex_array(20, 24)
    assert reader("cxi").read(changed(path, image_1__data=probe)).probe is None
    raw = reader("cxi").read(changed(path, image_2__data=obj))
    np.testing.assert_array_equal(raw.probe, probe)
    np.testing.assert_array_equal(raw.obj, obj)
    assert raw.obj_centre is None
    raw = reader("cxi").read(changed(path, instrument_1__source_1__illumination=2 * probe[0]))
    np.testing.assert_array_equal(raw.probe, 2 * probe[:1])


def test_separate_files_of_ptychodus_are_read_in_either_order(path, tmp_path):
    product = str(tmp_path / "product.cxi")
    with h5py.File(product, "w") as handle:
        handle["entry_1/image_1/data"] = complex_array(1, 2, 8, 8)
        handle["entry_1/image_2/data"] = complex_array(1, 20, 24)
        handle["entry_1/sample_1/geometry_1/translation"] = 3 * XYZ
        extras = handle.create_group("entry_1/ptychodus")
        extras["probe_position_indexes"] = [0, 1, 2, 4, 5, 5]
        extras["object_center_y_m"], extras["object_center_x_m"] = 1e-6, 2e-6
        extras["object_pixel_height_m"] = extras["object_pixel_width_m"] = 8e-9
    patterns = changed(path, data_1__translation=None, sample_1__geometry_1__translation=None)
    for files in ([product, *patterns], [*patterns, product]):
        raw = reader("cxi").read(files)
        np.testing.assert_allclose(raw.positions_m, 3 * XYZ[:, [1, 0]])
        assert raw.position_index.tolist() == [0, 1, 2, 4, 5, 5]
        assert raw.probe.shape == (2, 8, 8)
        assert (raw.obj.shape, raw.obj_centre, raw.pixel_size_m) == ((20, 24), (1e-6, 2e-6), 8e-9)
    with pytest.raises(DataError, match="diffraction is missing"):
        reader("cxi").read([product])


def test_pixels_that_are_not_square_are_refused(path):
    with pytest.raises(DataError, match=r"7\.5e-05 m high and 5e-05 m wide"):
        reader("cxi").read(changed(path, instrument_1__detector_1__x_pixel_size=50e-6))


def test_the_error_for_missing_patterns_names_the_nearest_key(path):
    files = changed(path, data_1__data=None, instrument_1__detector_1__data=None, data_1__dat=COUNTS)
    with pytest.raises(DataError, match="nearest: entry_1/data_1/dat"):
        reader("cxi").read(files)
