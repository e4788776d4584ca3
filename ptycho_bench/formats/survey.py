"""One look at every frame: which pixels are bad, how many photons, what a mean pattern is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ptycho_bench.data.frames import FrameStream

UNMEASURED = (2.0**32 - 1, 2.0**32)  # how a float frame carries an unsigned detector's mark; the second by rounding


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the frames hold, bad values left out.

    Args:
        bad: bool (H, W), pixels that are NaN, infinite, negative or at their type's maximum in some frame.
        bad_values: number of such values, over all frames.
        totals: float64 (N,), sum of each frame.
        mean: float64 (H, W), mean frame.
        largest: largest value.
        at_largest: number of values that equal it; many of them mean saturation.
    """

    bad: np.ndarray
    bad_values: int
    totals: np.ndarray
    mean: np.ndarray
    largest: float
    at_largest: int


def bad_values(block: np.ndarray) -> np.ndarray:
    """Bool, True where a value was not measured: NaN, infinite, negative, or the mark an integer type ends with."""
    if block.dtype.kind == "u":
        return block == np.iinfo(block.dtype).max
    if block.dtype.kind == "i":
        return (block < 0) | (block == np.iinfo(block.dtype).max)
    return ~np.isfinite(block) | (block < 0) | np.isin(block, UNMEASURED)


def survey(frames: FrameStream, on_frames: Callable[[int], None] = lambda count: None) -> Survey:
    """Look at every frame once, block by block.

    Args:
        frames: (N, H, W) real.
        on_frames: called with the number of frames seen so far.
    """
    bad = np.zeros(frames.shape[1:], bool)
    mean, totals = np.zeros(frames.shape[1:]), []
    count = largest = at_largest = seen = 0
    for block in frames.blocks():
        wrong = bad_values(block)
        bad |= wrong.any(axis=0)
        count += int(wrong.sum())
        good = np.where(wrong, 0, block)
        totals.append(good.sum(axis=(1, 2), dtype=np.float64))
        mean += good.sum(axis=0, dtype=np.float64)
        top = good.max()
        at_largest = int((good == top).sum()) + (at_largest if top == largest else 0) if top >= largest else at_largest
        largest = max(largest, top)
        seen += len(block)
        on_frames(seen)
    return Survey(
        bad=bad,
        bad_values=count,
        totals=np.concatenate(totals),
        mean=mean / max(1, seen),
        largest=float(largest),
        at_largest=at_largest,
    )
