"""Conversion of frames to patterns: cropped about the beam, centred, binned, squared, without bad values."""

import dataclasses

import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import stream_array
from ptycho_bench.formats.patterns import PatternOptions, mask_of, prepare_patterns, window_of

AS_STORED = PatternOptions(
    quantity=None, zero_frequency=None, centre_px=None, crop_px=None, bin=1, background=None, bad_share=0.01,
    mask_path=None, mask_key=None, mask_good=0,
)  # fmt: skip
RANDOM = np.random.default_rng(0)


def patterns(frames, *, bad=None, quantity="intensity", zero_frequency="centre", **options):
    options = dataclasses.replace(AS_STORED, **options)
    window = window_of(frames.shape, options, zero_frequency, "scan.h5")
    bad = np.zeros(frames.shape[1:], bool) if bad is None else bad
    stream = prepare_patterns(stream_array(frames), bad, window, quantity=quantity, background=options.background)
    whole = np.concatenate(list(stream.blocks()))
    assert (stream.shape, stream.dtype) == (whole.shape, whole.dtype)
    return whole, mask_of(bad, window)


def test_square_centred_counts_are_not_changed():
    frames = RANDOM.integers(0, 9, (3, 6, 6)).astype(np.uint16)
    whole, mask = patterns(frames)
    assert whole.dtype == np.uint16 and mask.dtype == np.uint8
    np.testing.assert_array_equal(whole, frames)


@pytest.mark.parametrize("side", [6, 7])
def test_a_zero_frequency_at_the_corner_is_moved_to_the_centre(side):
    frames = np.zeros((1, side, side), np.float32)
    frames[0, 0, 0] = 5
    whole, _ = patterns(frames, zero_frequency="corner")
    assert np.argwhere(whole[0]).tolist() == [[side // 2, side // 2]]


def test_a_mask_is_moved_with_the_zero_frequency():
    bad = np.zeros((6, 6), bool)
    bad[0, 0] = True
    _, mask = patterns(np.ones((1, 6, 6), np.float32), bad=bad, zero_frequency="corner")
    assert np.argwhere(mask).tolist() == [[3, 3]]


@pytest.mark.parametrize(("side", "crop"), [(8, 4), (8, 5), (9, 4), (9, 5)])
def test_a_crop_keeps_the_zero_frequency_at_the_centre(side, crop):
    frames = np.zeros((1, side, side), np.float32)
    frames[0, side // 2, side // 2] = 5
    whole, _ = patterns(frames, crop_px=crop)
    assert np.argwhere(whole[0]).tolist() == [[crop // 2, crop // 2]]


def test_a_crop_is_centred_on_the_given_beam():
    frames = np.zeros((1, 10, 12), np.float32)
    frames[0, 3, 7] = 5
    whole, _ = patterns(frames, centre_px=(3, 7), crop_px=4)
    assert np.argwhere(whole[0]).tolist() == [[2, 2]]
    whole, _ = patterns(frames, centre_px=(3, 7))
    assert whole.shape == (1, 6, 6) and np.argwhere(whole[0]).tolist() == [[3, 3]]


def test_an_oblong_detector_is_cropped_to_its_central_square():
    frames = RANDOM.random((2, 6, 10)).astype(np.float32)
    whole, _ = patterns(frames)
    np.testing.assert_array_equal(whole, frames[:, :, 2:8])


def test_binning_adds_counts_and_spreads_bad_pixels():
    frames = np.full((2, 4, 4), 40000, np.uint16)
    bad = np.zeros((4, 4), bool)
    bad[0, 1] = True
    whole, mask = patterns(frames, bad=bad, bin=2)
    assert whole.dtype == np.uint32
    assert whole[0].tolist() == [[120000, 160000], [160000, 160000]]
    assert mask.tolist() == [[1, 0], [0, 0]]


def test_amplitudes_are_squared_and_bad_values_become_zero():
    frames = np.array([[[2.0, np.nan], [3.0, -1.0]]], np.float32)
    whole, _ = patterns(frames, quantity="amplitude")
    assert whole[0].tolist() == [[4.0, 0.0], [9.0, 0.0]]


def test_gaps_marked_with_negative_values_become_zero_in_an_unsigned_type():
    frames = np.array([[[-1, 4], [5, 6]]], np.int32)
    whole, _ = patterns(frames)
    assert whole.dtype == np.uint32 and whole[0].tolist() == [[0, 4], [5, 6]]


def test_counts_below_the_background_become_zero():
    whole, _ = patterns(np.array([[[1, 2], [3, 4]]], np.uint16), background=3)
    assert whole[0].tolist() == [[0, 0], [3, 4]]


def test_a_crop_that_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"a square of 8 px about \[3, 3\] does not fit into frames of 6 x 6 px"):
        patterns(np.ones((1, 6, 6)), crop_px=8)
    with pytest.raises(DataError, match="lies outside frames of 6 x 6 px"):
        patterns(np.ones((1, 6, 6)), centre_px=(9, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantity": "loudness"}, "patterns.quantity must be intensity or amplitude"),
        ({"zero_frequency": "edge"}, "patterns.zero_frequency must be centre or corner"),
        ({"bad_share": 1.0}, r"bad_share must lie in"),
        ({"bin": 0}, r"bin must lie in \[1, 1024\]"),
        ({"background": float("nan")}, "background must be a finite number"),
        ({"crop_px": 5, "bin": 2}, "patterns.crop_px must be a positive multiple of bin 2"),
    ],
)
def test_impossible_options_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(AS_STORED, **change)
