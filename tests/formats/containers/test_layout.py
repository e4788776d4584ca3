"""Layouts of arrays that contain frames, and helpers for rasters and probes."""

from contextlib import nullcontext

import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import stream_array
from ptycho_bench.formats.containers.layout import (
    Layout,
    block_slices,
    concatenate_streams,
    probe_modes,
    raster_positions,
)
from tests.formats.samples import COUNTS, complex_array, whole


def layout(shape, dtype=np.uint16, **options):
    return Layout(where="scan.h5: data", shape=shape, dtype=np.dtype(dtype), **options)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 100])
@pytest.mark.parametrize("leading", [(), (6,), (2, 3), (1, 6), (2, 1, 3)])
def test_block_slices_cover_every_frame_once_in_order(leading, step):
    frames = np.arange(int(np.prod(leading))).reshape(leading)
    parts = [frames[index].ravel() for index in block_slices(leading, step)]
    np.testing.assert_array_equal(np.concatenate(parts), frames.ravel())
    assert max(map(len, parts)) <= step


@pytest.mark.parametrize(
    ("shape", "frames", "raster"),
    [
        ((8, 9), (1, 8, 9), None),
        ((6, 8, 9), (6, 8, 9), None),
        ((2, 3, 8, 9), (6, 8, 9), (2, 3)),
        ((1, 6, 8, 9), (6, 8, 9), None),
        ((6, 8, 9, 1), (6, 8, 9), None),
        ((2, 3, 8, 9, 1), (6, 8, 9), (2, 3)),
        ((2, 3, 4, 8, 9), (24, 8, 9), None),
    ],
)
def test_leading_axes_are_flattened_and_a_channel_axis_is_dropped(shape, frames, raster):
    assert (layout(shape).frames, layout(shape).raster) == (frames, raster)


def test_frames_that_come_last_are_moved_to_the_front():
    stored = np.moveaxis(COUNTS, 0, -1)
    last = layout(stored.shape, frames_first=False)
    assert (last.frames, last.raster) == (COUNTS.shape, None)
    np.testing.assert_array_equal(whole(last.stream(lambda: nullcontext(stored))), COUNTS)


def test_a_stream_reads_in_blocks_of_writable_native_frames(monkeypatch):
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", 2 * COUNTS[0].nbytes)
    stored = COUNTS.astype(">u2").reshape(2, 3, 8, 8)
    stored.flags.writeable = False
    stream = layout(stored.shape, stored.dtype).stream(lambda: nullcontext(stored))
    np.testing.assert_array_equal(whole(stream), COUNTS)
    for block in stream.blocks():
        assert len(block) <= 2 and block.dtype.isnative and block.flags.writeable


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((5,), {}, r"shape \(5,\); frames must be \(N, H, W\) or"),
        ((0, 8, 8), {}, r"shape \(0, 8, 8\)"),
        ((8, 8), {"frames_first": False}, r"frames must be \(H, W, N\)"),
        ((6, 8, 8), {"dtype": complex}, "frames must be real numbers"),
        ((6, 8, 8), {"dtype": "S4"}, "frames must be real numbers"),
        ((6, 8, 8), {"dtype": bool}, "frames must be real numbers"),
    ],
)
def test_an_array_that_cannot_contain_frames_is_refused(shape, options, message):
    with pytest.raises(DataError, match=f"scan.h5: data .*{message}"):
        layout(shape, **options)


def test_complex_frames_are_accepted_on_request():
    assert layout((6, 8, 8), complex, allow_complex=True).frames == (6, 8, 8)


def test_streams_are_concatenated_in_their_common_dtype():
    stream = concatenate_streams([stream_array(COUNTS[:2]), stream_array(COUNTS[2:].astype(np.int32))], "scan")
    assert stream.dtype == np.int32
    np.testing.assert_array_equal(whole(stream), COUNTS)
    with pytest.raises(DataError, match="scan: its parts have frames of 4 x 8, 8 x 8 px"):
        concatenate_streams([stream_array(COUNTS), stream_array(COUNTS[:, :4])], "scan")


def test_a_raster_is_laid_out_row_by_row():
    positions = raster_positions(2, 3, 0.5)
    assert positions.dtype == np.float64
    assert positions.tolist() == [[0, 0], [0, 0.5], [0, 1], [0.5, 0], [0.5, 0.5], [0.5, 1]]


def test_a_probe_gets_an_axis_of_modes_and_keeps_the_first_of_several():
    probe = complex_array(2, 3, 4, 4)
    modes, notes = probe_modes(probe, "probe")
    np.testing.assert_array_equal(modes, probe[0])
    assert notes == ("the probe varies over the scan; only the first of 2 probes is kept",)
    assert probe_modes(probe[0, 0], "probe")[0].shape == (1, 4, 4)
    assert probe_modes(probe[:1], "probe")[1] == ()


def test_a_real_probe_becomes_complex_with_a_note_and_other_arrays_are_refused():
    modes, notes = probe_modes(np.ones((4, 4), np.float32), "probe")
    assert modes.dtype == np.complex64 and "its phase is taken to be 0" in notes[0]
    for wrong in (np.ones(4, complex), np.ones((4, 4), int), np.ones((0, 4), complex)):
        with pytest.raises(DataError, match=r"it must be complex \(modes, H, W\)"):
            probe_modes(wrong, "scan.h5: probe")
