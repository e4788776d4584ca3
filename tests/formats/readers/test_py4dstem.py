"""py4DSTEM's data cubes and their calibration."""

import h5py
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from tests.formats.samples import COUNTS, reader, whole


def write(path, **calibration):
    with h5py.File(path, "w") as handle:
        handle["datacube_root/datacube/data"] = COUNTS.reshape(2, 3, 8, 8)
        for name, value in calibration.items():
            handle[f"datacube_root/metadatabundle/calibration/{name}"] = value
    assert reader("py4dstem").recognises([str(path)])
    return reader("py4dstem").read([str(path)])


def test_a_calibrated_cube_is_a_raster_in_metres(tmp_path):
    raw = write(
        tmp_path / "cube.h5", R_pixel_size=5.0, R_pixel_units="A", Q_pixel_size=0.02, Q_pixel_units="A^-1",
        QR_rotation=0.3, voltage=300e3,
    )  # fmt: skip
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    assert raw.raster == (2, 3)
    np.testing.assert_allclose(raw.positions_m[[1, 3]], [[0, 5e-10], [5e-10, 0]])
    assert raw.pixel_size_m == pytest.approx(1e-10 / (8 * 0.02))
    assert raw.energy_ev is None  # set only together with geometry.beam=electrons
    assert any("geometry.beam=electrons geometry.energy_ev=300000" in note for note in raw.notes)
    assert any("QR_rotation 0.3" in note for note in raw.notes)


def test_missing_calibration_is_reported(tmp_path):
    raw = write(tmp_path / "cube.h5", R_pixel_size=1.0, R_pixel_units="pixels")
    assert (raw.raster, raw.positions_m, raw.pixel_size_m) == ((2, 3), None, None)
    assert any("positions.step_m" in note for note in raw.notes)
    assert any("geometry.pixel_size_m" in note for note in raw.notes)


def test_a_file_without_a_cube_is_refused(tmp_path):
    with h5py.File(tmp_path / "cube.h5", "w") as handle:
        handle["datacube_root/datacub/data"] = COUNTS
    assert not reader("py4dstem").recognises([str(tmp_path / "cube.h5")])
    with pytest.raises(DataError, match="nearest: datacube_root/datacub/data"):
        reader("py4dstem").read([str(tmp_path / "cube.h5")])
