"""Patterns that need not fit into memory: read block by block, or by index from a stored file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

BLOCK_BYTES = 2**25


def frames_per_block(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Frames (N, H, W) that make a block of about 32 MiB; at least 1."""
    frame = max(1, int(np.prod(shape[1:])) * np.dtype(dtype).itemsize)
    return max(1, BLOCK_BYTES // frame)


def runs(points: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and end place of each stretch of consecutive numbers.

    >>> list(runs(np.array([4, 5, 6, 9, 2])))
    [(0, 3), (3, 4), (4, 5)]
    """
    breaks = np.flatnonzero(np.diff(points) != 1) + 1
    return pairwise([0, *breaks.tolist(), len(points)]) if len(points) else iter(())


class FrameShape:
    """What frames (N, H, W) have in common with an array, from their `shape` and `dtype`."""

    shape: tuple[int, int, int]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """3, as an array has it."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of all frames in memory."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class FrameStream(FrameShape):
    """Frames (N, H, W) that come in order, a block at a time.

    Args:
        shape: (N, H, W).
        dtype: of the frames.
        blocks: starts anew at each call; yields (n, H, W) arrays, consecutive frames.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    blocks: Callable[[], Iterator[np.ndarray]]

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> "FrameStream":
        """Frames after a change that treats each alike, (n, H, W) to (n, H', W')."""
        sample = change(np.zeros((1, *self.shape[1:]), self.dtype))
        shape = (self.shape[0], *sample.shape[1:])
        return FrameStream(shape, sample.dtype, lambda: (change(block) for block in self.blocks()))

    def first(self, count: int | None) -> "FrameStream":
        """The first `count` frames; None: all."""
        if count is None or count >= len(self):
            return self

        def blocks() -> Iterator[np.ndarray]:
            left = count
            for block in self.blocks():
                yield block[:left]
                left -= len(block)
                if left <= 0:
                    return

        return FrameStream((count, *self.shape[1:]), self.dtype, blocks)

    def keep(self, kept: np.ndarray) -> "FrameStream":
        """Only the frames where `kept`, bool (N,), is True."""

        def blocks() -> Iterator[np.ndarray]:
            first = 0
            for block in self.blocks():
                chosen = block[kept[first : first + len(block)]]
                first += len(block)
                if len(chosen):
                    yield chosen

        return FrameStream((int(kept.sum()), *self.shape[1:]), self.dtype, blocks)


def stream_array(array: np.ndarray) -> FrameStream:
    """An array (N, H, W), also one mapped from a file or an h5py data set, as a stream."""
    step = frames_per_block(array.shape, array.dtype)
    return FrameStream(
        tuple(array.shape),
        np.dtype(array.dtype),
        lambda: (np.asarray(array[first : first + step]) for first in range(0, len(array), step)),
    )


class StoredFrames(FrameShape):
    """Frames (N, H, W) of an HDF5 file, read when asked for.

    Args:
        path: the file; open as long as this object lives, opened anew where it is sent to another process.
        key: of the data set.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.data = h5py.File(path, "r")[key]
        self.shape, self.dtype = self.data.shape, self.data.dtype

    def __reduce__(self) -> tuple:
        return StoredFrames, (self.path, self.key)

    def __getitem__(self, points: slice | np.ndarray) -> np.ndarray:
        """Frames (n, H, W) of a slice, or of int (n,) indices in any order."""
        if isinstance(points, slice):
            return self.data[points]
        frames = np.empty((len(points), *self.shape[1:]), self.dtype)
        for first, end in runs(points):  # h5py's own list of indices is slower
            start = int(points[first])
            self.data.read_direct(frames, np.s_[start : start + end - first], np.s_[first:end])
        return frames

    def blocks(self) -> Iterator[np.ndarray]:
        """Consecutive frames, (n, H, W) at a time."""
        return stream_array(self.data).blocks()

    def first(self, count: int | None) -> FrameStream:
        """The first `count` frames as a stream; None: all."""
        return stream_array(self.data).first(count)


def chosen(frames: np.ndarray | StoredFrames, points: np.ndarray) -> FrameStream:
    """Some frames, int (n,), of an array or a stored file, as a stream."""
    shape = (len(points), *frames.shape[1:])
    step = frames_per_block(shape, frames.dtype)
    return FrameStream(
        shape, frames.dtype, lambda: (frames[points[first : first + step]] for first in range(0, len(points), step))
    )


Frames = np.ndarray | FrameStream | StoredFrames


def blocks_of(frames: Frames) -> Iterator[np.ndarray]:
    """Consecutive frames (n, H, W), or parts of any other array along its first axis."""
    return stream_array(frames).blocks() if isinstance(frames, np.ndarray) else frames.blocks()
