"""How a stored array holds frames: leading axes to flatten, a channel axis to drop, blocks to read."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream, frames_per_block


def cuts(leading: tuple[int, ...], step: int) -> Iterator[tuple[slice, ...]]:
    """Slices of the leading axes, in order, that hold at most `step` frames each.

    >>> list(cuts((2, 5), 3))[:2]
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
            yield from ((part, *rest) for rest in cuts(leading[1:], step))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """An array that holds frames.

    Args:
        where: file and key, for messages.
        shape: as stored: (N, H, W), a raster scan (rows, columns, H, W), axes of length 1 anywhere before (H, W), and a
            channel axis of length 1 after them.
        dtype: as stored.
        frames_first: False: the array is (H, W, N).
        complex_too: complex numbers are welcome, as of an object under each frame.

    Raises:
        DataError: no frames can lie so.
    """

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype
    frames_first: bool = True
    complex_too: bool = False

    def __post_init__(self) -> None:
        if np.dtype(self.dtype).kind not in ("uifc" if self.complex_too else "uif"):
            raise DataError(f"{self.where} holds {self.dtype} of shape {self.shape}; frames are real numbers")
        if len(self.core) < 2 or 0 in self.shape or (not self.frames_first and len(self.core) != 3):
            wanted = "(N, H, W) or (rows, columns, H, W)" if self.frames_first else "(H, W, N)"
            raise DataError(f"{self.where} has shape {self.shape}; frames are {wanted}, none of them 0")

    @property
    def core(self) -> tuple[int, ...]:
        """Shape without a last channel axis of length 1."""
        return self.shape[:-1] if len(self.shape) > 3 and self.shape[-1] == 1 and self.frames_first else self.shape

    @property
    def frames(self) -> tuple[int, int, int]:
        """(N, H, W)."""
        if not self.frames_first:
            return self.core[2], *self.core[:2]
        return math.prod(self.core[:-2]), *self.core[-2:]

    @property
    def raster(self) -> tuple[int, int] | None:
        """Rows and columns of the scan, where the array has both axes."""
        leading = [length for length in self.core[:-2] if length > 1]
        return tuple(leading) if self.frames_first and len(leading) == 2 else None

    @property
    def native(self) -> np.dtype:
        """dtype in this machine's byte order."""
        return np.dtype(self.dtype).newbyteorder("=")

    def indices(self) -> Iterator[tuple[slice, ...]]:
        """Where each block lies in the array."""
        step = frames_per_block(self.frames, self.dtype)
        if self.frames_first:
            yield from cuts(self.core[:-2], step)
        else:
            for first in range(0, self.core[2], step):
                yield slice(None), slice(None), slice(first, first + step)

    def block(self, stored: np.ndarray) -> np.ndarray:
        """Frames (n, H, W) of a part of the array, in memory, writable, in native byte order."""
        if not self.frames_first:
            stored = np.ascontiguousarray(np.moveaxis(stored, -1, 0))
        return np.require(stored, self.native, ["C", "E", "W"]).reshape(-1, *self.frames[1:])

    def stream(self, opened: Callable[[], AbstractContextManager]) -> FrameStream:
        """The frames, from an array that is open only while blocks are asked for.

        Args:
            opened: opens the array, something that takes slices.
        """

        def blocks() -> Iterator[np.ndarray]:
            with opened() as array:
                for index in self.indices():
                    yield self.block(array[index])

        return FrameStream(self.frames, self.native, blocks)


def chain(streams: list[FrameStream], where: str) -> FrameStream:
    """Several streams after each other.

    Raises:
        DataError: their frames differ in size.
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


def grid_px(rows: int, columns: int, step_px: float) -> np.ndarray:
    """Positions (N, 2), pixels, of a raster scan that goes row by row."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    return np.stack([row, column], axis=1) * float(step_px)


def probe_modes(array: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Probe as complex (modes, H, W), and notes: of leading axes before the modes the first entry is taken.

    Raises:
        DataError: it is no probe.
    """
    if array.ndim < 2 or array.dtype.kind not in "fc" or not array.size:
        raise DataError(f"{where}: the probe is {array.dtype} of shape {array.shape}; complex (modes, H, W) is needed")
    notes = []
    if array.dtype.kind == "f":
        notes.append("the probe is real: taken as complex with phase 0")
    modes = array.reshape(-1, *array.shape[-3:])[0] if array.ndim > 2 else array[None]
    left_out = math.prod(array.shape[:-3])
    if left_out > 1:
        notes.append(f"the probe varies over the scan: the first of {left_out} taken, the others dropped")
    return modes.astype(np.result_type(array.dtype, np.complex64)), tuple(notes)
