"""Join of positions and frames, and orientation of the positions to the detector's axes."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.layout import raster_positions
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.physics.bounds import Count, Index, Interval, Metres, bounded
from ptycho_bench.physics.orientation import ORIENTATIONS, orient


@bounded
@dataclass(frozen=True, kw_only=True)
class PositionOptions:
    """Corrections and additions to what a file contains about its positions.

    Args:
        orientation: flips and swap that convert the positions to the detector's rows and columns, see
            `physics.orientation`.
        points: number of the first position that belongs to a frame, and of the one after the last, if the file
            contains more positions; None if all belong to frames.
        raster: rows and columns of a raster scan, if the file has no positions; None to use what the file contains.
        step_m: step of that raster in metres; or None.
        step_px: step of that raster in object pixels; or None.
    """

    orientation: Literal[
        "as_is", "flip_rows", "flip_columns", "flip_both",
        "swap", "swap_flip_rows", "swap_flip_columns", "swap_flip_both",
    ]  # fmt: skip
    points: tuple[Index, Index] | None
    raster: tuple[Count, Count] | None
    step_m: Metres | None
    step_px: Annotated[float, Interval("(0, 1e6]")] | None

    def __post_init__(self) -> None:
        if self.orientation not in ORIENTATIONS:
            names = ", ".join(ORIENTATIONS)
            raise ValueError(f"positions.orientation must be one of {names}, got {self.orientation!r}")
        if self.points is not None and (len(self.points) != 2 or not 0 <= self.points[0] < self.points[1]):
            raise ValueError(f"positions.points must be [first,end] with first < end, got {list(self.points)}")
        if self.step_m is not None and self.step_px is not None:
            raise ValueError(
                f"positions.step_m and positions.step_px exclude each other, got {self.step_m} and {self.step_px}; "
                "set one of them"
            )
        if self.raster is not None and (len(self.raster) != 2 or min(self.raster) < 1):
            raise ValueError(f"positions.raster must be [rows,columns] of at least 1, got {list(self.raster)}")


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Frames that have a position, and their positions.

    Args:
        kept: bool (N,), True for frames to keep, in the file's order.
        positions: float64 (n, 2), (row, column) of the beam for each kept frame, in metres or object pixels.
        metric: True if the positions are in metres, False if they are in object pixels.
        scan_index: int64 (n, 2), (scan row, scan column); if the scan is not a raster, all rows are 0.
        notes: what was dropped or averaged.
    """

    kept: np.ndarray
    positions: np.ndarray
    metric: bool
    scan_index: np.ndarray
    notes: tuple[str, ...]


def join(raw: RawScan, options: PositionOptions) -> Joined:
    """Join frames and positions by their index; without one, by their order, provided that their numbers agree.

    Raises:
        DataError: If there are neither positions nor a raster, numbers disagree, or no frame has a position.
    """
    raster = tuple(options.raster) if options.raster is not None else raw.raster
    count = len(raw.frames)
    if raster is not None and raster[0] * raster[1] != count:
        raise DataError(
            f"{raw.source}: a raster of {raster[0]} x {raster[1]} points needs {raster[0] * raster[1]} frames, but the "
            f"file has {count}; set positions.raster=[rows,columns]"
        )
    has_step = options.step_m is not None or options.step_px is not None
    stored = raw.positions_px if raw.positions_m is None else raw.positions_m
    if stored is None or (options.raster is not None and has_step):
        positions, metric = lay_out_raster(raw, raster, options), options.step_m is not None
        kept, notes = np.ones(count, bool), ()
    else:
        first, end = options.points or (0, len(stored))
        if end > len(stored):
            raise DataError(f"{raw.source}: positions.points [{first}, {end}) reaches beyond {len(stored)} positions")
        used = slice(first, end)
        kept, positions, notes = match_by_index(raw, np.asarray(stored, np.float64), used)
        metric = raw.positions_m is not None
    numbers = np.flatnonzero(kept)
    index = np.stack([np.zeros_like(numbers), numbers] if raster is None else np.divmod(numbers, raster[1]), axis=1)
    if options.orientation != "as_is":
        positions = orient(positions, options.orientation)
    return Joined(
        kept=kept, positions=positions, metric=metric, scan_index=index.astype(np.int64),
        notes=notes,
    )  # fmt: skip


def lay_out_raster(raw: RawScan, raster: tuple[int, int] | None, options: PositionOptions) -> np.ndarray:
    """Return the positions, float64 (N, 2) as (row, column), of a row-by-row raster, in the unit of its step.

    Raises:
        DataError: If the raster or its step is unknown.
    """
    step = options.step_m if options.step_m is not None else options.step_px
    if raster is None or step is None:
        raise DataError(
            f"{raw.source} contains no positions; name a file that does, or describe a raster with "
            "positions.raster=[rows,columns] positions.step_m=STEP"
        )
    return raster_positions(*raster, step)


def match_by_index(raw: RawScan, stored: np.ndarray, used: slice) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Match frames and positions by their indices.

    Args:
        raw: the scan.
        stored: float64 (M, 2), all stored positions.
        used: the positions that belong to frames.

    Returns:
        Bool (N,), True for frames that have a position; the positions of these frames, float64 (n, 2); notes.

    Raises:
        DataError: If numbers disagree without an index, no position is finite, all are the same, or no frame has one.
    """
    frame_index, position_index, positions = indices_of(raw, stored, used)
    unique, inverse, repeats = np.unique(position_index, return_inverse=True, return_counts=True)
    mean = np.stack([np.bincount(inverse, column) / repeats for column in positions.T], axis=1)
    finite = np.isfinite(mean).all(axis=1)
    if not finite.any():
        raise DataError(
            f"{raw.source}: all {len(stored)} positions are NaN or infinite; name other positions, or describe a raster"
        )
    unique, mean = unique[finite], mean[finite]
    place = np.searchsorted(unique, frame_index).clip(max=max(0, len(unique) - 1))
    found = unique[place] == frame_index if len(unique) else np.zeros(len(frame_index), bool)
    first = np.zeros(len(frame_index), bool)
    first[np.unique(frame_index, return_index=True)[1]] = True
    kept = found & first
    if not kept.any():
        raise DataError(f"{raw.source}: no frame has a position, because no index is in both lists; check both keys")
    notes = [
        f"{number} {what}"
        for number, what in (
            (int((repeats > 1).sum()), "points have several positions; their mean is used"),
            (int((~finite).sum()), "positions are NaN or infinite; their frames are dropped"),
            (int((~found).sum()), "frames have no position and are dropped"),
            (int((found & ~first).sum()), "frames repeat an index; the first frame of each index is kept"),
            (int((~np.isin(unique, frame_index)).sum()), "positions have no frame and are dropped"),
        )
        if number
    ]
    kept_positions = mean[place[kept]]
    places = len(np.unique(kept_positions, axis=0))
    if places == 1 and len(kept_positions) > 1:
        raise DataError(f"{raw.source}: all {len(kept_positions)} positions are the same; name other positions")
    repeated = len(kept_positions) - places
    if repeated:
        notes.append(f"{repeated} points have the same position as another point; they are kept")
    return kept, kept_positions, tuple(notes)


def indices_of(raw: RawScan, stored: np.ndarray, used: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the index of each frame, int64 (N,), and the index, int64 (m,), and value, (m, 2), of each used position.

    Raises:
        DataError: If there is no index, and the numbers of frames and positions disagree.
    """
    count, positions = len(raw.frames), stored[used]
    if raw.position_index is None and raw.frame_index is None:
        if len(positions) != count:
            raise DataError(
                f"{raw.source}: {count} frames, but {len(positions)} positions and no index that joins them; name the "
                "index's key (format=keys), or select the positions with positions.points=[FIRST,END]"
            )
        return np.arange(count), np.arange(count), positions
    frame_index = np.arange(count) if raw.frame_index is None else np.asarray(raw.frame_index).astype(np.int64)
    position_index = np.arange(len(stored)) if raw.position_index is None else np.asarray(raw.position_index)
    return frame_index, position_index[used].astype(np.int64), positions


def median_step(positions_px: np.ndarray) -> float | None:
    """Return the median distance of a position (N, 2) from its nearest neighbour, px; None if there is only one."""
    from scipy.spatial import cKDTree

    places = np.unique(positions_px, axis=0)
    if len(places) < 2:
        return None
    distances, _ = cKDTree(places).query(places, k=2)
    return float(np.median(distances[:, 1]))
