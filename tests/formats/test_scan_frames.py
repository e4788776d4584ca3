"""Statistics of frames: which values are not measured, what is counted, what is reported."""

import numpy as np
import pytest

from ptycho_bench.data.frames import stream_array
from ptycho_bench.formats.scan_frames import not_measured, scan_frames


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (np.array([0, 3, 65535], np.uint16), [False, False, True]),
        (np.array([0, 3, 2**32 - 1], np.uint32), [False, False, True]),
        (np.array([-1, 3, 2**31 - 1], np.int32), [True, False, True]),
        (np.array([np.nan, np.inf, -2.0, 0.0, 65535.0], np.float32), [True, True, False, False, False]),
        (np.array([2**32 - 1, 5], np.int64), [True, False]),
        (np.array([2.0**32 - 1, 5.0], np.float64), [True, False]),
        (np.array([2.0**32 - 1, 5.0], np.float32), [True, False]),
    ],
    ids=["uint16", "uint32", "signed", "float", "wide", "float64 mark", "float32 mark"],
)
def test_marks_of_a_detector_are_distinguished_from_counts(frames, expected):
    assert not_measured(frames).tolist() == expected


NOTHING = np.zeros((4, 4), bool)


def test_a_pixel_bad_in_one_frame_is_ignored_there(monkeypatch):
    frames = np.arange(5 * 4 * 4).reshape(5, 4, 4).astype(np.uint16)
    frames[3, 1, 2] = 65535
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", 2 * frames[0].nbytes)
    counted = []
    statistics = scan_frames(stream_array(frames), NOTHING, counted.append)
    values = np.where(frames == 65535, 0, frames)
    assert np.argwhere(statistics.bad_pixels(0.1)).tolist() == [[1, 2]]
    assert not statistics.bad_pixels(0.2).any()
    assert statistics.unmeasured == 1
    np.testing.assert_array_equal(statistics.totals, values.sum(axis=(1, 2)))
    np.testing.assert_allclose(statistics.mean, values.mean(axis=0))
    assert (statistics.largest, statistics.count_at_largest) == (79.0, 1)
    assert counted == [2, 4, 5]


def test_values_at_the_largest_are_counted_over_all_frames(monkeypatch):
    frames = np.zeros((6, 4, 4), np.uint16)
    frames[[0, 4, 5], 0, 0] = 4095
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", frames[0].nbytes)
    assert scan_frames(stream_array(frames), NOTHING).count_at_largest == 3


def test_masked_pixels_are_ignored():
    frames = np.ones((6, 4, 4), np.uint16)
    frames[:, 2, 2], hot = 60000, NOTHING.copy()
    hot[2, 2] = True
    statistics = scan_frames(stream_array(frames), hot)
    assert statistics.largest == 1
    assert statistics.totals.tolist() == [15] * 6


def test_negative_values_of_a_dark_subtracted_detector_are_not_bad_pixels():
    frames = np.random.default_rng(0).normal(0, 1, (200, 4, 4)).astype(np.float32)
    statistics = scan_frames(stream_array(frames), NOTHING)
    assert not statistics.bad_pixels(0).any()
    assert statistics.negative == (frames < 0).sum()
    assert statistics.lowest == frames.min()
    np.testing.assert_allclose(statistics.mean, frames.clip(min=0).mean(axis=0), rtol=1e-5)
    assert statistics.has_fractions
