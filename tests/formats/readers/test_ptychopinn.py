"""PtychoPINN's .npz: amplitude or intensity, frames first or last."""

import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from tests.formats.samples import COUNTS, complex_array, reader, whole

X, Y = np.linspace(40, 60, 6), np.linspace(10, 20, 6)


def write(path, **arrays):
    np.savez(path, xcoords=X, ycoords=Y, **arrays)
    assert reader("ptychopinn").recognises([str(path)])
    return reader("ptychopinn").read([str(path)])


def test_fractions_are_amplitudes(tmp_path):
    stored = np.sqrt(COUNTS).astype(np.float32) / 10
    patches = complex_array(6, 8, 8)
    raw = write(
        tmp_path / "s.npz",
        diffraction=stored,
        probeGuess=complex_array(8, 8),
        objectGuess=complex_array(90, 90),
        Y=patches,
    )
    assert raw.quantity == "amplitude"
    np.testing.assert_array_equal(whole(raw.frames), stored)
    np.testing.assert_array_equal(raw.positions_px, np.stack([Y, X], axis=1))
    np.testing.assert_array_equal(raw.probe, complex_array(1, 8, 8)[:, :, :])
    assert raw.obj.shape == (90, 90)
    np.testing.assert_array_equal(whole(raw.amplitude), np.abs(patches))
    np.testing.assert_array_equal(whole(raw.phase), np.angle(patches))


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_whole_numbers_are_intensities(tmp_path, dtype):
    raw = write(tmp_path / "s.npz", diff3d=COUNTS.astype(dtype))
    assert raw.quantity == "intensity"
    assert any("patterns.quantity=amplitude" in note for note in raw.notes)


def test_frames_that_come_last_are_recognised_by_the_number_of_points(tmp_path):
    raw = write(tmp_path / "s.npz", diff3d=np.moveaxis(COUNTS, 0, -1))
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    assert raw.probe is None


def test_an_ambiguous_cube_is_reported(tmp_path):
    raw = write(tmp_path / "s.npz", diff3d=COUNTS[:, :6, :6])
    np.testing.assert_array_equal(whole(raw.frames), COUNTS[:, :6, :6])
    assert any("is read as (N, H, W)" in note for note in raw.notes)


def test_patterns_that_do_not_fit_the_points_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"shape \(5, 8, 8\), but there are 6 coordinates"):
        write(tmp_path / "s.npz", diff3d=COUNTS[:5])
