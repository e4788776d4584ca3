"""Streams of frames: they can be read repeatedly; changes and selections are applied block by block."""

import numpy as np
import pytest

from ptycho_bench.data.frames import blocks_of, select_frames, stream_array

FRAMES = np.random.default_rng(0).integers(0, 100, (23, 4, 5)).astype(np.uint16)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", 5 * FRAMES[0].nbytes)


def whole(stream):
    return np.concatenate(list(stream.blocks()))


def test_a_stream_gives_the_frames_block_by_block_and_repeatedly():
    stream = stream_array(FRAMES)
    assert [len(block) for block in stream.blocks()] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(whole(stream), FRAMES)
    np.testing.assert_array_equal(whole(stream), FRAMES)
    assert (len(stream), stream.ndim, stream.nbytes) == (23, 3, FRAMES.nbytes)


def test_a_change_applies_to_every_frame_and_its_shape_is_known_in_advance():
    halved = stream_array(FRAMES).map(lambda block: block[:, ::2, :4].astype(np.float32) / 2)
    assert (halved.shape, halved.dtype) == ((23, 2, 4), np.float32)
    np.testing.assert_array_equal(whole(halved), FRAMES[:, ::2, :4] / np.float32(2))


def test_only_the_requested_frames_are_kept():
    kept = np.zeros(23, bool)
    kept[[0, 4, 5, 22]] = True
    selected = stream_array(FRAMES).keep(kept)
    assert selected.shape == (4, 4, 5)
    np.testing.assert_array_equal(whole(selected), FRAMES[kept])


def test_an_array_is_read_block_by_block_too():
    np.testing.assert_array_equal(np.concatenate(list(blocks_of(FRAMES))), FRAMES)
    assert len(list(blocks_of(np.zeros((2, 3))))) == 1


def test_frames_are_selected_in_any_order_block_by_block():
    points = np.array([7, 3, 4, 22, 0, 1, 2])
    selected = select_frames(FRAMES, points)
    assert [len(block) for block in selected.blocks()] == [5, 2]
    np.testing.assert_array_equal(whole(selected), FRAMES[points])
