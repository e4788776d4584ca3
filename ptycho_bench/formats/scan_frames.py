"""Statistics of the frames of a scan, and warnings about them: bad pixels, photons, saturation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream

# An unsigned 32-bit detector marks bad values with 2**32 - 1, also if they are stored in a wider type or as floats;
# in float32 the mark rounds to 2**32.
UNMEASURED = (2.0**32 - 1, 2.0**32)


@dataclass(frozen=True, kw_only=True)
class FrameStatistics:
    """Statistics of frames, without their unmeasured and masked values.

    Args:
        times_unmeasured: int64 (H, W), number of frames in which each pixel was not measured, see `not_measured`.
        totals: float64 (N,), sum of each frame.
        mean: float64 (H, W), mean frame.
        largest: largest value.
        count_at_largest: number of values that equal the largest; many of them indicate saturation.
        negative: number of negative values, which occur if the detector's dark signal was subtracted.
        lowest: lowest value, at most 0.
        has_fractions: True if some value is not a whole number.
    """

    times_unmeasured: np.ndarray
    totals: np.ndarray
    mean: np.ndarray
    largest: float
    count_at_largest: int
    negative: int
    lowest: float
    has_fractions: bool

    def bad_pixels(self, share: float) -> np.ndarray:
        """Return bool (H, W), True for pixels not measured in more than this share of the frames, [0, 1)."""
        return self.times_unmeasured > share * len(self.totals)

    @property
    def unmeasured(self) -> int:
        """Number of values that were not measured."""
        return int(self.times_unmeasured.sum())


def not_measured(block: np.ndarray) -> np.ndarray:
    """Return a bool array, True for values that mark a pixel as not measured.

    These are NaN, infinite values, the largest value of an integer type, the largest value of uint32 in a wider type,
    and, in a signed integer type, negative values.
    """
    if block.dtype.kind not in "ui":
        return ~np.isfinite(block) | np.isin(block, UNMEASURED)
    bad = block == np.iinfo(block.dtype).max
    if block.dtype.itemsize > 4:
        bad |= block == UNMEASURED[0]
    return bad | (block < 0) if block.dtype.kind == "i" else bad


def scan_frames(
    frames: FrameStream, masked: np.ndarray, on_frames: Callable[[int], None] = lambda count: None
) -> FrameStatistics:
    """Compute statistics of all frames, block by block.

    Args:
        frames: (N, H, W), real.
        masked: bool (H, W), True for pixels known to be bad, which are ignored.
        on_frames: called with the number of frames read so far.
    """
    times_unmeasured, mean = np.zeros(masked.shape, np.int64), np.zeros(masked.shape)
    totals, largest, lowest, count_at_largest, negative, count, has_fractions = [], 0.0, 0.0, 0, 0, 0, False
    for block in frames.blocks():
        unmeasured = not_measured(block) & ~masked
        times_unmeasured += unmeasured.sum(axis=0)
        values = np.where(unmeasured | masked, 0, block)
        if block.dtype.kind == "f":
            negative += int((values < 0).sum())
            lowest = min(lowest, float(values.min()))
            has_fractions = has_fractions or bool((values != np.rint(values)).any())
            values = values.clip(min=0)
        totals.append(values.sum(axis=(1, 2), dtype=np.float64))
        mean += values.sum(axis=0, dtype=np.float64)
        top = float(values.max())
        if top > largest:
            largest, count_at_largest = top, 0
        count_at_largest += int((values == largest).sum()) if largest > 0 else 0
        count += len(block)
        on_frames(count)
    return FrameStatistics(
        times_unmeasured=times_unmeasured,
        totals=np.concatenate(totals),
        mean=mean / max(1, count),
        largest=largest,
        count_at_largest=count_at_largest,
        negative=negative,
        lowest=lowest,
        has_fractions=has_fractions,
    )


def frame_warnings(source: str, statistics: FrameStatistics, bad: np.ndarray) -> list[str]:
    """Return one line for each property of the frames that a user should know.

    Args:
        source: the files of the scan, for messages.
        statistics: statistics of the frames.
        bad: bool (H, W), True for bad pixels.

    Raises:
        DataError: If all pixels are bad, or no frame contains a photon.
    """
    if bad.all():
        raise DataError(
            f"{source}: every pixel is masked or bad; check the mask, patterns.mask_good and patterns.bad_share"
        )
    if statistics.largest == 0:
        raise DataError(f"{source}: all pixels that are not masked are zero in every frame; check the shutter")
    count, notes = len(statistics.totals), []
    if bad.any():
        notes.append(f"{int(bad.sum())} of {bad.size} pixels are masked ({statistics.unmeasured} values not measured)")
    elsewhere = int(statistics.times_unmeasured[~bad].sum())
    if elsewhere:
        notes.append(f"{elsewhere} values of pixels that are mostly good were not measured; they are set to 0")
    if statistics.negative:
        notes.append(
            f"{statistics.negative} values are negative, the lowest {statistics.lowest:.3g}; they are set to 0"
        )
    empty = int((statistics.totals == 0).sum())
    if empty:
        notes.append(f"{empty} of {count} frames are empty")
    if statistics.count_at_largest > count // 10 + 1 and statistics.largest > 1:
        notes.append(
            f"{statistics.count_at_largest} values equal the largest, {statistics.largest:g}; the detector may be "
            "saturated"
        )
    if statistics.has_fractions and statistics.largest < 1:
        notes.append(
            f"the largest value is {statistics.largest:.3g}, so values are not photons, but networks and solvers treat "
            "them as photons"
        )
    return notes
