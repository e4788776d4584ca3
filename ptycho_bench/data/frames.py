"""Frames that need not fit into memory: read block by block, or by index from a file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

BLOCK_BYTES = 2**25


def frames_per_block(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Return the number of frames (N, H, W) in a block of about 32 MiB; at least 1."""
    frame = max(1, int(np.prod(shape[1:])) * np.dtype(dtype).itemsize)
    return max(1, BLOCK_BYTES // frame)


def contiguous_runs(points: np.ndarray) -> Iterator[tuple[int, int]]:
    """Return the first and the end position of each run of consecutive numbers.

    >>> list(contiguous_runs(np.array([4, 5, 6, 9, 2])))
    [(0, 3), (3, 4), (4, 5)]
    """
    breaks = np.flatnonzero(np.diff(points) != 1) + 1
    return pairwise([0, *breaks.tolist(), len(points)]) if len(points) else iter(())


class FrameShape:
    """Array attributes of frames (N, H, W) that follow from their `shape` and `dtype`."""

    shape: tuple[int, int, int]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of dimensions, 3."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of all frames in memory, bytes."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class FrameStream(FrameShape):
    """Frames (N, H, W) that are read in order, one block at a time.

    Args:
        shape: (N, H, W).
        dtype: data type of the frames.
        blocks: returns a new iterator at each call, over arrays (n, H, W) of consecutive frames.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    blocks: Callable[[], Iterator[np.ndarray]]

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> "FrameStream":
        """Apply a function to every block, (n, H, W) to (n, H', W'), that treats all frames alike."""
        sample = change(np.zeros((1, *self.shape[1:]), self.dtype))
        shape = (self.shape[0], *sample.shape[1:])
        return FrameStream(shape, sample.dtype, lambda: (change(block) for block in self.blocks()))

    def first(self, count: int | None) -> "FrameStream":
        """Return the first `count` frames; None returns all."""
        if count is None or count >= len(self):
            return self

        def blocks() -> Iterator[np.ndarray]:
            missing = count
            for block in self.blocks():
                yield block[:missing]
                missing -= len(block)
                if missing <= 0:
                    return

        return FrameStream((count, *self.shape[1:]), self.dtype, blocks)

    def keep(self, kept: np.ndarray) -> "FrameStream":
        """Return only the frames for which `kept`, bool (N,), is True."""

        def blocks() -> Iterator[np.ndarray]:
            first = 0
            for block in self.blocks():
                selected = block[kept[first : first + len(block)]]
                first += len(block)
                if len(selected):
                    yield selected

        return FrameStream((int(kept.sum()), *self.shape[1:]), self.dtype, blocks)


def stream_array(array: np.ndarray) -> FrameStream:
    """Return an array (N, H, W), which may be memory-mapped or an h5py data set, as a stream."""
    step = frames_per_block(array.shape, array.dtype)
    return FrameStream(
        tuple(array.shape),
        np.dtype(array.dtype),
        lambda: (np.asarray(array[first : first + step]) for first in range(0, len(array), step)),
    )


class StoredFrames(FrameShape):
    """Frames (N, H, W) of an HDF5 file, read on request.

    Args:
        path: path of the file. It stays open as long as this object exists, and is opened again after unpickling.
        key: name of the data set.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.data = h5py.File(path, "r")[key]
        self.shape, self.dtype = self.data.shape, self.data.dtype

    def __reduce__(self) -> tuple:
        return StoredFrames, (self.path, self.key)

    def __getitem__(self, points: slice | np.ndarray) -> np.ndarray:
        """Read the frames (n, H, W) of a slice, or of int (n,) indices in any order."""
        if isinstance(points, slice):
            return self.data[points]
        frames = np.empty((len(points), *self.shape[1:]), self.dtype)
        for first, end in contiguous_runs(points):  # faster than passing the indices to h5py
            start = int(points[first])
            self.data.read_direct(frames, np.s_[start : start + end - first], np.s_[first:end])
        return frames

    def blocks(self) -> Iterator[np.ndarray]:
        """Iterate over blocks (n, H, W) of consecutive frames."""
        return stream_array(self.data).blocks()

    def first(self, count: int | None) -> FrameStream:
        """Return the first `count` frames as a stream; None returns all."""
        return stream_array(self.data).first(count)


def select_frames(frames: np.ndarray | StoredFrames, points: np.ndarray) -> FrameStream:
    """Return the frames with these indices, int (n,), of an array or a file, as a stream."""
    shape = (len(points), *frames.shape[1:])
    step = frames_per_block(shape, frames.dtype)
    return FrameStream(
        shape, frames.dtype, lambda: (frames[points[first : first + step]] for first in range(0, len(points), step))
    )


Frames = np.ndarray | FrameStream | StoredFrames


def blocks_of(frames: Frames) -> Iterator[np.ndarray]:
    """Iterate over blocks (n, H, W) of consecutive frames, or over parts of any other array along its first axis."""
    return stream_array(frames).blocks() if isinstance(frames, np.ndarray) else frames.blocks()
