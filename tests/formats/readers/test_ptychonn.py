"""PtychoNN's training files: the order of channels, and the names of files."""

import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from tests.formats.samples import COUNTS, reader, whole

REAL = np.random.default_rng(2).random((6, 2, 8, 8)).astype(np.float32)


def test_channel_0_is_the_phase_and_1_the_amplitude(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ptycho_bench.data.frames.BLOCK_BYTES", 5 * REAL[0, 0].nbytes
    )  # a block splits a frame's channels
    np.savez(tmp_path / "train.npz", reciprocal=COUNTS, real=REAL)
    files = [str(tmp_path / "train.npz")]
    assert reader("ptychonn").recognises(files)
    raw = reader("ptychonn").read(files)
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    np.testing.assert_array_equal(whole(raw.phase), REAL[:, 0])
    np.testing.assert_array_equal(whole(raw.amplitude), REAL[:, 1])
    assert (raw.positions_m, raw.positions_px) == (None, None)
    assert any("positions.raster" in note for note in raw.notes)


def test_a_single_channel_is_the_phase(tmp_path):
    np.savez(tmp_path / "train.npz", reciprocal=COUNTS, real=REAL[:, :1])
    raw = reader("ptychonn").read([str(tmp_path / "train.npz")])
    np.testing.assert_array_equal(whole(raw.phase), REAL[:, 0])
    assert raw.amplitude is None


def test_test_arrays_are_recognised_by_their_names(tmp_path):
    arrays = {"Y_phi_test": REAL[:, 0], "X_test": COUNTS.astype(np.float64), "Y_I_test": REAL[:, 1]}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array[..., None])
    files = [str(tmp_path / f"{name}.npy") for name in arrays]
    assert reader("ptychonn").recognises(files)
    raw = reader("ptychonn").read(files)
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    np.testing.assert_array_equal(whole(raw.phase), REAL[:, 0])
    np.testing.assert_array_equal(whole(raw.amplitude), REAL[:, 1])
    with pytest.raises(DataError, match="no file contains patterns"):
        reader("ptychonn").read(files[:1])
    with pytest.raises(DataError, match="leave it out"):
        reader("ptychonn").read([*files, "stray.npy"])


def test_labels_of_another_shape_are_refused(tmp_path):
    np.savez(tmp_path / "train.npz", reciprocal=COUNTS, real=REAL[:, 0])
    with pytest.raises(DataError, match=r"\(6, 8, 8\); it must be \(N, 2, H, W\)"):
        reader("ptychonn").read([str(tmp_path / "train.npz")])
