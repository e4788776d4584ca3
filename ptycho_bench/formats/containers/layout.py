"""How a stored array contains frames: which axes are flattened or dropped, and which blocks are read."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream, frames_per_block


def block_slices(leading: tuple[int, ...], step: int) -> Iterator[tuple[slice, ...]]:
    """Iterate, in order, over slices of the leading axes that contain at most `step` frames each.

    >>> list(block_slices((2, 5), 3))[:2]
    [(slice(0, 1, None), slice(0, 3, None)), (slice(0, 1, None), slice(3, 5, None))]
    """
    if not leading:
        yield ()
        return
    inner = math.prod(leading[1:])
    rows = max(1, step // max(1, inner))
    for first in range(0, leading[0], rows):
        part = slice(first, min(first + rows, leading[0]))
        if inner <= step:
            yield (part, *(slice(0, length) for length in leading[1:]))
        else:
            yield from ((part, *rest) for rest in block_slices(leading[1:], step))


MOST_FRAMES, MOST_FRAME_PX = 10**8, 2**26  # of a scan; of a frame, 8192 x 8192 px


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Layout of an array that contains frames.

    Args:
        where: file and key, for messages.
        shape: shape as stored: (N, H, W), or (rows, columns, H, W) for a raster scan; there may be axes of length 1
            before (H, W), and one channel axis of length 1 after them.
        dtype: dtype as stored.
        frames_first: False if the array is (H, W, N).
        allow_complex: True if frames may be complex, for example the object under each scan position.

    Raises:
        DataError: If an array of this shape and dtype cannot contain frames.
    """

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype
    frames_first: bool = True
    allow_complex: bool = False

    def __post_init__(self) -> None:
        if np.dtype(self.dtype).kind not in ("uifc" if self.allow_complex else "uif"):
            raise DataError(
                f"{self.where} contains {self.dtype} of shape {self.shape}; frames must be real numbers: name another "
                "key"
            )
        if len(self.core) < 2 or 0 in self.shape or (not self.frames_first and len(self.core) != 3):
            needed = "(N, H, W) or (rows, columns, H, W)" if self.frames_first else "(H, W, N)"
            raise DataError(f"{self.where} has shape {self.shape}; frames must be {needed}, all above 0")
        if self.frames[0] > MOST_FRAMES or math.prod(self.frames[1:]) > MOST_FRAME_PX:
            raise DataError(
                f"{self.where} has shape {self.shape}; at most {MOST_FRAMES:,} frames of {MOST_FRAME_PX:,} pixels are "
                "read: cut the scan into parts, or the frames about their centre"
            )

    @property
    def core(self) -> tuple[int, ...]:
        """Shape without a last channel axis of length 1."""
        return self.shape[:-1] if len(self.shape) > 3 and self.shape[-1] == 1 and self.frames_first else self.shape

    @property
    def frames(self) -> tuple[int, int, int]:
        """Shape (N, H, W) of the frames."""
        if not self.frames_first:
            return self.core[2], *self.core[:2]
        return math.prod(self.core[:-2]), *self.core[-2:]

    @property
    def raster(self) -> tuple[int, int] | None:
        """Rows and columns of the scan if the array has an axis for each, else None."""
        leading = [length for length in self.core[:-2] if length > 1]
        return tuple(leading) if self.frames_first and len(leading) == 2 else None

    @property
    def native(self) -> np.dtype:
        """The dtype in this machine's byte order."""
        return np.dtype(self.dtype).newbyteorder("=")

    def indices(self) -> Iterator[tuple[slice, ...]]:
        """Iterate over the index of each block in the array."""
        step = frames_per_block(self.frames, self.dtype)
        if self.frames_first:
            yield from block_slices(self.core[:-2], step)
        else:
            for first in range(0, self.core[2], step):
                yield slice(None), slice(None), slice(first, first + step)

    def block(self, stored: np.ndarray) -> np.ndarray:
        """Return part of the array as frames (n, H, W): in memory, writable, in native byte order."""
        if not self.frames_first:
            stored = np.ascontiguousarray(np.moveaxis(stored, -1, 0))
        return np.require(stored, self.native, ["C", "E", "W"]).reshape(-1, *self.frames[1:])

    def stream(self, open_array: Callable[[], AbstractContextManager]) -> FrameStream:
        """Return the frames as a stream; the array is open only while blocks are read.

        Args:
            open_array: opens the array, an object that can be indexed with slices.
        """

        def blocks() -> Iterator[np.ndarray]:
            with open_array() as array:
                for index in self.indices():
                    yield self.block(array[index])

        return FrameStream(self.frames, self.native, blocks)


def concatenate_streams(streams: list[FrameStream], where: str) -> FrameStream:
    """Concatenate several streams of frames.

    Raises:
        DataError: If their frames differ in size.
    """
    if len(streams) == 1:
        return streams[0]
    sizes = sorted({stream.shape[1:] for stream in streams})
    if len(sizes) > 1:
        text = ", ".join(f"{height} x {width}" for height, width in sizes)
        raise DataError(f"{where}: its parts have frames of {text} px; import one size at a time")
    dtype = np.result_type(*(stream.dtype for stream in streams))
    count = sum(len(stream) for stream in streams)

    def blocks() -> Iterator[np.ndarray]:
        for stream in streams:
            yield from (block.astype(dtype, copy=False) for block in stream.blocks())

    return FrameStream((count, *sizes[0]), dtype, blocks)


def raster_positions(rows: int, columns: int, step: float) -> np.ndarray:
    """Return the positions, float64 (N, 2) as (row, column), of a row-by-row raster scan, in the unit of its step."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    return np.stack([row, column], axis=1) * float(step)


def probe_modes(array: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a stored probe as complex (modes, H, W), and notes on what was decided.

    Of leading axes before the modes only the first entry is kept.

    Raises:
        DataError: If the array is not a probe.
    """
    if array.ndim < 2 or array.dtype.kind not in "fc" or not array.size:
        raise DataError(f"{where}: the probe is {array.dtype} of shape {array.shape}; it must be complex (modes, H, W)")
    notes = []
    if array.dtype.kind == "f":
        notes.append("the probe is real; its phase is taken to be 0")
    modes = array.reshape(-1, *array.shape[-3:])[0] if array.ndim > 2 else array[None]
    count = math.prod(array.shape[:-3])
    if count > 1:
        notes.append(f"the probe varies over the scan; only the first of {count} probes is kept")
    return modes.astype(np.result_type(array.dtype, np.complex64)), tuple(notes)
