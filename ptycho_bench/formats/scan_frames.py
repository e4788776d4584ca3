"""One look at every frame: which pixels are bad, how many photons, what a mean pattern is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ptycho_bench.data.frames import FrameStream

UNMEASURED = (2.0**32 - 1, 2.0**32)  # an unsigned detector's mark in a wider type or in floats; the second by rounding


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the frames hold, bad and masked values left out.

    Args:
        times_bad: int64 (H, W), in how many frames each pixel was not measured (see `not_measured`).
        totals: float64 (N,), sum of each frame.
        mean: float64 (H, W), mean frame.
        largest: largest value.
        at_largest: number of values that equal it; many of them mean saturation.
        negative: number of negative values, of a dark-subtracted detector.
        lowest: lowest value.
        fractions: some value is no whole number.
    """

    times_bad: np.ndarray
    totals: np.ndarray
    mean: np.ndarray
    largest: float
    at_largest: int
    negative: int
    lowest: float
    fractions: bool

    def bad(self, share: float) -> np.ndarray:
        """Bool (H, W), pixels not measured in more than this share of the frames, [0, 1)."""
        return self.times_bad > share * len(self.totals)

    @property
    def unmeasured(self) -> int:
        """Number of values not measured."""
        return int(self.times_bad.sum())


def not_measured(block: np.ndarray) -> np.ndarray:
    """Bool, True where a value says that nothing was measured: NaN, infinite, the mark an integer type ends with,
    and, where values are whole and signed, negative ones."""
    if block.dtype.kind not in "ui":
        return ~np.isfinite(block) | np.isin(block, UNMEASURED)
    bad = block == np.iinfo(block.dtype).max
    if block.dtype.itemsize > 4:
        bad |= block == UNMEASURED[0]
    return bad | (block < 0) if block.dtype.kind == "i" else bad


def survey(frames: FrameStream, masked: np.ndarray, on_frames: Callable[[int], None] = lambda count: None) -> Survey:
    """Look at every frame once, block by block.

    Args:
        frames: (N, H, W) real.
        masked: bool (H, W), pixels known to be bad, which count for nothing.
        on_frames: called with the number of frames seen so far.
    """
    times_bad, mean = np.zeros(masked.shape, np.int64), np.zeros(masked.shape)
    totals, largest, lowest, at_largest, negative, seen, fractions = [], 0.0, 0.0, 0, 0, 0, False
    for block in frames.blocks():
        wrong = not_measured(block) & ~masked
        times_bad += wrong.sum(axis=0)
        values = np.where(wrong | masked, 0, block)
        if block.dtype.kind == "f":
            negative += int((values < 0).sum())
            lowest = min(lowest, float(values.min()))
            fractions = fractions or bool((values != np.rint(values)).any())
            values = values.clip(min=0)
        totals.append(values.sum(axis=(1, 2), dtype=np.float64))
        mean += values.sum(axis=0, dtype=np.float64)
        top = float(values.max())
        if top > largest:
            largest, at_largest = top, 0
        at_largest += int((values == largest).sum()) if largest > 0 else 0
        seen += len(block)
        on_frames(seen)
    return Survey(
        times_bad=times_bad,
        totals=np.concatenate(totals),
        mean=mean / max(1, seen),
        largest=largest,
        at_largest=at_largest,
        negative=negative,
        lowest=lowest,
        fractions=fractions,
    )
