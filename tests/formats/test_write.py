"""Exported files for other programs: their names, units and conventions."""

import os

import h5py
import numpy as np
import pytest

from ptycho_bench.formats.write import Product, write_cxi, write_ptychodus

RANDOM = np.random.default_rng(0)


def product(**changes) -> Product:
    values = {
        "name": "star", "comments": "test", "obj": RANDOM.random((30, 41)).astype(np.complex64),
        "probe": RANDOM.random((2, 8, 8)).astype(np.complex64), "corners_px": RANDOM.uniform(0, 20, (5, 2)),
        "point_index": np.array([4, 2, 0, 1, 3]), "pixel_size_m": 8e-9, "energy_ev": 8800.0, "distance_m": 2.2,
        "detector_pixel_m": 75e-6, "misfits": [0.4, 0.2],
    }  # fmt: skip
    return Product(**values | changes)


def test_a_product_has_every_name_that_ptychodus_reads(tmp_path):
    written = product()
    write_ptychodus(tmp_path / "a.h5", written)
    with h5py.File(tmp_path / "a.h5") as handle:
        assert handle["object"].shape == (1, 30, 41) and handle["probe"].shape == (1, 2, 8, 8)
        for name in ("name", "comments", "detector_object_distance_m", "probe_energy_eV", "exposure_time_s"):
            assert name in handle.attrs
        assert handle["object"].attrs["pixel_width_m"] == handle["probe"].attrs["pixel_height_m"] == 8e-9
        assert handle["object"].attrs["center_x_m"] == 0.0
        assert handle["object_layer_spacing_m"].shape == (0,)
        assert handle["loss_values"][()].tolist() == [0.4, 0.2]
        assert handle["probe_position_indexes"][()].tolist() == [4, 2, 0, 1, 3]
        y, x = handle["probe_position_y_m"][()], handle["probe_position_x_m"][()]
        assert handle.attrs["probe_photon_count"] == pytest.approx((np.abs(written.probe) ** 2).sum())
    corners = np.stack([y / 8e-9 + 15 - 4, x / 8e-9 + 20.5 - 4], axis=1)  # relative to the object's middle
    np.testing.assert_allclose(corners, written.corners_px, atol=1e-6)


def test_a_cxi_file_has_metres_joules_and_both_images(tmp_path):
    written = product()
    write_cxi(tmp_path / "a.cxi", written)
    with h5py.File(tmp_path / "a.cxi") as handle:
        entry = handle["entry_1"]
        np.testing.assert_array_equal(entry["image_1/data"], written.probe)
        np.testing.assert_array_equal(entry["image_2/data"], written.obj)
        assert entry["instrument_1/source_1/energy"][()] == pytest.approx(8800 * 1.602176634e-19)
        assert entry["instrument_1/detector_1/distance"][()] == 2.2
        assert entry["sample_1/geometry_1/translation"].shape == (5, 3)


def test_unknown_values_are_left_out_of_cxi(tmp_path):
    write_cxi(tmp_path / "a.cxi", product(energy_ev=None, distance_m=None, detector_pixel_m=None))
    with h5py.File(tmp_path / "a.cxi") as handle:
        assert not list(handle["entry_1/instrument_1"])


@pytest.mark.parametrize("write", [write_ptychodus, write_cxi])
def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch, write):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"cannot write .*a\.h5: .*No space left"):
        write(tmp_path / "a.h5", product())
    assert not list(tmp_path.iterdir())
