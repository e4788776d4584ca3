"""One look at the frames: what counts as not measured, what is counted."""

import numpy as np
import pytest

from ptycho_bench.data.frames import stream_array
from ptycho_bench.formats.scan_frames import not_measured, survey


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
def test_marks_of_a_detector_are_told_from_counts(frames, expected):
    assert not_measured(frames).tolist() == expected


NOTHING = np.zeros((4, 4), bool)


def test_a_pixel_bad_in_one_frame_counts_for_nothing_there(monkeypatch):
    frames = np.arange(5 * 4 * 4).reshape(5, 4, 4).astype(np.uint16)
    frames[3, 1, 2] = 65535
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", 2 * frames[0].nbytes)
    counted = []
    seen = survey(stream_array(frames), NOTHING, counted.append)
    values = np.where(frames == 65535, 0, frames)
    assert np.argwhere(seen.bad(0.1)).tolist() == [[1, 2]]
    assert not seen.bad(0.2).any()
    assert seen.unmeasured == 1
    np.testing.assert_array_equal(seen.totals, values.sum(axis=(1, 2)))
    np.testing.assert_allclose(seen.mean, values.mean(axis=0))
    assert (seen.largest, seen.at_largest) == (79.0, 1)
    assert counted == [2, 4, 5]


def test_values_at_the_largest_are_counted_over_all_frames(monkeypatch):
    frames = np.zeros((6, 4, 4), np.uint16)
    frames[[0, 4, 5], 0, 0] = 4095
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", frames[0].nbytes)
    assert survey(stream_array(frames), NOTHING).at_largest == 3


def test_masked_pixels_count_for_nothing():
    frames = np.ones((6, 4, 4), np.uint16)
    frames[:, 2, 2], hot = 60000, NOTHING.copy()
    hot[2, 2] = True
    seen = survey(stream_array(frames), hot)
    assert seen.largest == 1
    assert seen.totals.tolist() == [15] * 6


def test_a_dark_subtracted_detectors_negative_values_are_no_bad_pixels():
    frames = np.random.default_rng(0).normal(0, 1, (200, 4, 4)).astype(np.float32)
    seen = survey(stream_array(frames), NOTHING)
    assert not seen.bad(0).any()
    assert seen.negative == (frames < 0).sum()
    assert seen.lowest == frames.min()
    np.testing.assert_allclose(seen.mean, frames.clip(min=0).mean(axis=0), rtol=1e-5)
    assert seen.fractions
