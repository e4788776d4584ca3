"""The APS 26-ID scan: patterns reduced as PtychoNN does, labels from complex numbers, a raster of 3 px."""

import numpy as np
import pytest
from skimage.transform import resize

from ptycho_bench.data.errors import DataError
from tests.formats.samples import complex_array, reader, whole

RAW = np.random.default_rng(0).poisson(np.linspace(0, 20, 24), (2, 3, 24, 24)).astype(np.uint16)
SMALL = {"crop_px": 3, "resize_px": 6}


@pytest.fixture
def path(tmp_path):
    np.savez_compressed(tmp_path / "20191008_39_diff.npz", RAW)
    return str(tmp_path / "20191008_39_diff.npz")


def reduced(pattern):
    small = resize(pattern[3:-3, 3:-3], (6, 6), order=1, preserve_range=True, anti_aliasing=True)
    small[small < 3] = 0
    return small


def test_every_pattern_is_cropped_resized_and_thresholded_in_the_same_way(path, monkeypatch):
    monkeypatch.setattr("ptycho_bench.formats.readers.aps26id.FRAMES_AT_ONCE", 4)
    raw = reader("aps26id", **SMALL).read([path])
    expected = np.stack([reduced(pattern) for pattern in RAW.reshape(-1, 24, 24)])
    assert (expected == 0).any()
    np.testing.assert_allclose(whole(raw.frames), expected, rtol=1e-6)
    assert whole(raw.frames).dtype == np.float32


def test_the_published_sizes_are_the_default(tmp_path):
    np.save(tmp_path / "x_diff_sample.npy", np.full((2, 2, 256, 256), 7, np.uint16))
    files = [str(tmp_path / "x_diff_sample.npy")]
    assert reader("aps26id").recognises(files)
    raw = reader("aps26id").read(files)
    np.testing.assert_allclose(whole(raw.frames), np.full((4, 64, 64), 7), rtol=1e-6)
    assert raw.positions_px.tolist() == [[0, 0], [0, 3], [3, 0], [3, 3]]
    assert (raw.raster, raw.pixel_size_m) == ((2, 2), 1e-8)


def test_reduced_patterns_are_not_changed(tmp_path):
    stored = np.random.default_rng(1).random((2, 3, 6, 6))  # below the threshold, but kept
    np.savez(tmp_path / "20191008_39_diff_reduced.npz", stored)
    raw = reader("aps26id", **SMALL).read([str(tmp_path / "20191008_39_diff_reduced.npz")])
    np.testing.assert_array_equal(whole(raw.frames), stored.reshape(6, 6, 6))
    assert any("already have this size" in note for note in raw.notes)


def test_resizing_can_be_switched_off(path):
    raw = reader("aps26id", crop_px=4, resize_px=None, threshold=0.0).read([path])
    np.testing.assert_allclose(whole(raw.frames), RAW.reshape(6, 24, 24)[:, 4:-4, 4:-4])


def test_labels_are_modulus_and_angle(path, tmp_path):
    labels = complex_array(2, 3, 6, 6)
    np.save(tmp_path / "20191008_39_amp_pha_10nm_full.npy", labels)
    for files in ([path, str(tmp_path / "20191008_39_amp_pha_10nm_full.npy")],) * 2:
        assert reader("aps26id", **SMALL).recognises(files)
        raw = reader("aps26id", **SMALL).read(files[::-1])
        np.testing.assert_allclose(whole(raw.amplitude), np.abs(labels).reshape(6, 6, 6), rtol=1e-6)
        np.testing.assert_allclose(whole(raw.phase), np.angle(labels).reshape(6, 6, 6), rtol=1e-6)
        assert "solved" in raw.origin
    np.save(tmp_path / "20191008_39_amp_pha_10nm_full.npy", labels[:1])
    with pytest.raises(DataError, match=r"labels have shape \(3, 6, 6\), but patterns have \(6, 6, 6\)"):
        reader("aps26id", **SMALL).read(files)


def test_another_stack_is_not_recognised(tmp_path):
    np.save(tmp_path / "cube.npy", RAW)
    np.savez(tmp_path / "some_diff.npz", data=RAW)
    assert not reader("aps26id").recognises([str(tmp_path / "cube.npy")])
    assert not reader("aps26id").recognises([str(tmp_path / "some_diff.npz")])


def test_patterns_too_small_for_the_crop_are_refused(path):
    with pytest.raises(DataError, match="cropping 32 px off each side leaves -40 px, but at least 64 are needed"):
        reader("aps26id").read([path])


@pytest.mark.parametrize("changes", [{"crop_px": -1}, {"resize_px": 0}, {"step_px": 0.0}, {"threshold": -1.0}])
def test_impossible_arguments_are_refused(changes):
    with pytest.raises(Exception, match="must lie in"):
        reader("aps26id", **changes)
