"""Positions and frames brought together, and positions brought into the object's pixels."""

from dataclasses import dataclass

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.physics.orientation import EIGHT, orient


@dataclass(frozen=True, kw_only=True)
class PositionOptions:
    """What a file does not say of its positions, or says wrongly.

    Args:
        orientation: flips and swap that bring the positions to the detector's rows and columns, see
            `physics.orientation`.
        points: first position that belongs to a frame, and the one after the last, where a file holds more; or None.
        raster: rows and columns of a raster whose file holds no positions; None: as the file says.
        step_m: its step, metres; or None.
        step_px: its step, object pixels; or None.
    """

    orientation: str
    points: tuple[int, int] | None
    raster: tuple[int, int] | None
    step_m: float | None
    step_px: float | None

    def __post_init__(self) -> None:
        if self.orientation not in EIGHT:
            raise ValueError(f"positions.orientation must be one of {', '.join(EIGHT)}, got {self.orientation!r}")
        if self.points is not None and (len(self.points) != 2 or not 0 <= self.points[0] < self.points[1]):
            raise ValueError(f"positions.points must be [first,end] with first < end, got {list(self.points)}")
        if self.step_m is not None and self.step_px is not None:
            raise ValueError(f"positions.step_m and step_px exclude each other, got {self.step_m} and {self.step_px}")
        if self.raster is not None and (len(self.raster) != 2 or min(self.raster) < 1):
            raise ValueError(f"positions.raster must be [rows,columns] of at least 1, got {list(self.raster)}")


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Frames that have a position, and theirs.

    Args:
        kept: bool (N,), frames to keep, in the file's order.
        places: float64 (n, 2), (row, column) of the beam, of the kept frames.
        metric: places are metres; otherwise object pixels.
        scan_index: int64 (n, 2), (scan row, scan column); row 0 throughout where the scan is no raster.
        notes: what was dropped or averaged.
    """

    kept: np.ndarray
    places: np.ndarray
    metric: bool
    scan_index: np.ndarray
    notes: tuple[str, ...]


def join(raw: RawScan, options: PositionOptions) -> Joined:
    """Frames and positions joined by index where the file has one, never by order alone where their numbers differ.

    Raises:
        DataError: no positions and no raster to lay them out, numbers that do not fit, or no frame with a position.
    """
    raster = tuple(options.raster) if options.raster is not None else raw.raster
    count = len(raw.frames)
    if raster is not None and raster[0] * raster[1] != count:
        raise DataError(
            f"{raw.source}: a raster of {raster[0]} x {raster[1]} points has {raster[0] * raster[1]} frames, the file "
            f"{count}; set positions.raster=[rows,columns]"
        )
    stepped = options.step_m is not None or options.step_px is not None
    given = raw.positions_px if raw.positions_m is None else raw.positions_m
    if given is None or (options.raster is not None and stepped):
        places, metric = raster_places(raw, raster, options), options.step_m is not None
        kept, notes = np.ones(count, bool), ()
    else:
        chosen = slice(*(options.points or (0, len(given))))
        kept, places, notes = matched(raw, np.asarray(given, np.float64), chosen)
        metric = raw.positions_m is not None
    numbers = np.flatnonzero(kept)
    index = np.stack([np.zeros_like(numbers), numbers] if raster is None else np.divmod(numbers, raster[1]), axis=1)
    if options.orientation != "as_is":
        places = orient(places, options.orientation)
    return Joined(
        kept=kept, places=places, metric=metric, scan_index=index.astype(np.int64),
        notes=notes,
    )  # fmt: skip


def raster_places(raw: RawScan, raster: tuple[int, int] | None, options: PositionOptions) -> np.ndarray:
    """Places of a raster scan, row by row, in units of its step."""
    step = options.step_m if options.step_m is not None else options.step_px
    if raster is None or step is None:
        raise DataError(
            f"{raw.source} holds no positions; name a file that does, or lay out a raster: positions.raster="
            "[rows,columns] positions.step_m=STEP"
        )
    rows, columns = raster
    return np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2) * step


def matched(raw: RawScan, positions: np.ndarray, chosen: slice) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Which frames have one of the chosen positions, (N,) bool; their positions; what is to be said."""
    count, held = len(raw.frames), len(positions)
    positions = positions[chosen]
    if raw.position_index is None and raw.frame_index is None:
        if len(positions) != count:
            raise DataError(
                f"{raw.source}: {count} frames, but {len(positions)} positions and no index that joins them; name the "
                "index's key (format=keys), or say which positions these are: positions.points=[FIRST,END]"
            )
        frame_index = position_index = np.arange(count)
    else:
        frame_index = np.arange(count) if raw.frame_index is None else np.asarray(raw.frame_index).astype(np.int64)
        position_index = np.arange(held) if raw.position_index is None else np.asarray(raw.position_index)
        position_index = position_index[chosen].astype(np.int64)
    unique, inverse, repeats = np.unique(position_index, return_inverse=True, return_counts=True)
    mean = np.stack([np.bincount(inverse, column) / repeats for column in positions.T], axis=1)
    finite = np.isfinite(mean).all(axis=1)
    if not finite.any():
        raise DataError(f"{raw.source}: all {held} positions are NaN or infinite; name others, or lay out a raster")
    unique, mean = unique[finite], mean[finite]
    place = np.searchsorted(unique, frame_index).clip(max=max(0, len(unique) - 1))
    found = unique[place] == frame_index if len(unique) else np.zeros(count, bool)
    first = np.zeros(count, bool)
    first[np.unique(frame_index, return_index=True)[1]] = True
    kept = found & first
    if not kept.any():
        raise DataError(f"{raw.source}: no frame has a position: their indices share nothing; check both keys")
    notes = [
        f"{number} {what}"
        for number, what in (
            (int((repeats > 1).sum()), "points have several positions; their mean is taken"),
            (int((~finite).sum()), "positions are NaN or infinite; their frames are dropped"),
            (int((~found).sum()), "frames have no position and are dropped"),
            (int((found & ~first).sum()), "frames repeat an index; the first of each is kept"),
            (int((~np.isin(unique, frame_index)).sum()), "positions have no frame and are dropped"),
        )
        if number
    ]
    kept_places = mean[place[kept]]
    doubles = len(kept_places) - len(np.unique(kept_places, axis=0))
    if doubles:
        notes.append(f"{doubles} points lie where another one lies; they are kept")
    return kept, kept_places, tuple(notes)


def nearest_step(positions_px: np.ndarray) -> float | None:
    """Median distance of a place (N, 2) from its nearest neighbour, px; None where there is but one."""
    from scipy.spatial import cKDTree

    places = np.unique(positions_px, axis=0)
    if len(places) < 2:
        return None
    distances, _ = cKDTree(places).query(places, k=2)
    return float(np.median(distances[:, 1]))
