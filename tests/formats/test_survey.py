"""One look at the frames: what counts as not measured, what is counted."""

import numpy as np
import pytest

from ptycho_bench.data.frames import stream_array
from ptycho_bench.formats.survey import bad_values, survey


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (np.array([0, 3, 65535], np.uint16), [False, False, True]),
        (np.array([0, 3, 2**32 - 1], np.uint32), [False, False, True]),
        (np.array([-1, 3, 2**31 - 1], np.int32), [True, False, True]),
        (np.array([np.nan, np.inf, -2.0, 0.0, 65535.0], np.float32), [True, True, True, False, False]),
        (np.array([2.0**32 - 1, 5.0], np.float64), [True, False]),
        (np.array([2.0**32 - 1, 5.0], np.float32), [True, False]),
    ],
    ids=["uint16", "uint32", "signed", "float", "float64 mark", "float32 mark"],
)
def test_marks_of_a_detector_are_told_from_counts(frames, expected):
    assert bad_values(frames).tolist() == expected


def test_a_pixel_bad_in_one_frame_is_bad_and_its_value_counts_for_nothing(monkeypatch):
    frames = np.arange(5 * 4 * 4).reshape(5, 4, 4).astype(np.uint16)
    frames[3, 1, 2] = 65535
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", 2 * frames[0].nbytes)
    counted = []
    seen = survey(stream_array(frames), counted.append)
    good = np.where(frames == 65535, 0, frames)
    assert np.argwhere(seen.bad).tolist() == [[1, 2]]
    assert seen.bad_values == 1
    np.testing.assert_array_equal(seen.totals, good.sum(axis=(1, 2)))
    np.testing.assert_allclose(seen.mean, good.mean(axis=0))
    assert (seen.largest, seen.at_largest) == (79.0, 1)
    assert counted == [2, 4, 5]


def test_values_at_the_largest_are_counted_over_all_frames(monkeypatch):
    frames = np.zeros((6, 2, 2), np.uint16)
    frames[[0, 4, 5], 0, 0] = 4095
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", frames[0].nbytes)
    assert survey(stream_array(frames)).at_largest == 3
