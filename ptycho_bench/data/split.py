"""Split a scan into training, validation and test parts by scan row or position; conf/split calls these functions."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ptycho_bench.data.scan import PtychoScan


class Split(NamedTuple):
    """Indices of the training, validation and test points of a scan, int64."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class SplitScan(NamedTuple):
    """One of the scans of a run.

    name: name in records and file names, unique within a run.
    scan: the scan.
    split: its training, validation and test points.
    """

    name: str
    scan: PtychoScan
    split: Split


def published_split(
    scan: PtychoScan,
    *,
    train_rows: tuple[int, int],
    test_rows: tuple[int, int],
    test_columns: tuple[int, int],
    validation_fraction: float,
    seed: int,
) -> Split:
    """Take rows for training, a corner for testing and random training points for validation, as the papers do.

    Training and test patches that overlap share object pixels; `disjoint_split` avoids this.

    Args:
        scan: scan to split.
        train_rows: first scan row for training, and the row after the last.
        test_rows: first scan row for testing, and the row after the last.
        test_columns: first scan column for testing, and the column after the last.
        validation_fraction: fraction of the training points that is drawn for validation, (0, 1).
        seed: seed of that draw.

    Raises:
        ValueError: If rows or columns lie outside the scan, rows overlap, or a part is empty.
    """
    check_rows(scan, {"train_rows": train_rows, "test_rows": test_rows}, test_columns)
    row, column = scan.scan_index.T
    test = np.flatnonzero(within(row, test_rows) & within(column, test_columns))
    candidates = np.flatnonzero(within(row, train_rows))
    count = validation_count(len(candidates), validation_fraction)
    validation = np.sort(np.random.default_rng(seed).permutation(candidates)[:count])
    return require_non_empty(Split(np.setdiff1d(candidates, validation), validation, test))


def subset_split(scan: PtychoScan, *, whole: Callable[..., Split], patterns: int, seed: int) -> Split:
    """Reduce another split to fewer training and validation patterns, drawn at random in the same proportion.

    With the same seed, a larger draw contains every smaller one.

    Args:
        scan: scan to split.
        whole: function that returns the other split for a scan.
        patterns: number of training and validation patterns together, at least 2.
        seed: seed of the draw.

    Raises:
        ValueError: If `patterns` is below 2 or above the number of patterns in the other split.
    """
    split = whole(scan=scan)
    available = len(split.train) + len(split.validation)
    if not 2 <= patterns <= available:
        raise ValueError(
            f"split.patterns must lie in [2, {available}], the patterns of the whole split, got {patterns}"
        )
    validation = min(max(1, round(patterns * len(split.validation) / available)), len(split.validation))
    counts = {"train": min(patterns - validation, len(split.train)), "validation": validation}
    generator = np.random.default_rng(seed)
    drawn = {name: np.sort(generator.permutation(getattr(split, name))[:count]) for name, count in counts.items()}
    return split._replace(**drawn)


def disjoint_split(scan: PtychoScan, *, train_rows: tuple[int, int], validation_fraction: float) -> Split:
    """Take test patches that share no object pixel with any training or validation patch, including jitter.

    Args:
        scan: scan to split.
        train_rows: first scan row for training and validation, and the row after the last; validation takes the last
            rows.
        validation_fraction: fraction of these rows, rounded to whole rows, at least one, (0, 1).

    Raises:
        ValueError: If rows lie outside the scan, or no row is left for testing.
    """
    check_rows(scan, {"train_rows": train_rows}, None)
    row = scan.scan_index[:, 0]
    rows = train_rows[1] - train_rows[0]
    first_validation = train_rows[1] - validation_count(rows, validation_fraction)
    train = np.flatnonzero(within(row, (train_rows[0], first_validation)))
    validation = np.flatnonzero(within(row, (first_validation, train_rows[1])))
    top = scan.positions_px[:, 0]
    last_pixel = top[within(row, train_rows)].max() + scan.patch_px
    clear = np.array([top[row == r].min(initial=np.inf) >= last_pixel for r in range(row.max() + 1)])
    first_test = len(clear) - int(np.logical_and.accumulate(clear[::-1]).sum())  # and every row below it
    if first_test == len(clear):
        raise ValueError(
            f"train_rows {list(train_rows)} leave no row of {row.max() + 1} whose patches start at or below px "
            f"{last_pixel:g}; take fewer training rows"
        )
    return require_non_empty(Split(train, validation, np.flatnonzero(row >= first_test)))


def region_split(scan: PtychoScan, *, axis: str, test_fraction: float, validation_fraction: float) -> Split:
    """Take the last part of the field for testing; only positions are used, so that the scan need not be a raster.

    A line divides the field. Test patches lie entirely beyond it and all others entirely before it, so that no object
    pixel is shared; patches across the line are left out. A patch at a fractional position covers every pixel that it
    touches.

    Args:
        scan: scan to split.
        axis: `row` for a horizontal line with test patches below it, `column` for a vertical line with test patches to
            its right.
        test_fraction: fraction of the field's extent along the axis that lies beyond the line, (0, 1).
        validation_fraction: fraction of the patches before the line, taken from those nearest to it, (0, 1).

    Raises:
        ValueError: If the axis is unknown, a fraction lies outside (0, 1), or no patch is left on a side of the line.
    """
    if axis not in ("row", "column"):
        raise ValueError(f"split.axis must be row or column, got {axis!r}")
    if not 0 < test_fraction < 1:
        raise ValueError(f"split.test_fraction must lie in (0, 1), got {test_fraction}; 25 % is written 0.25")
    place = scan.positions_px[:, ("row", "column").index(axis)]
    first, end = np.floor(place), np.ceil(place) + scan.patch_px
    extent = end.max() - first.min()
    line = np.ceil(end.max() - test_fraction * extent)
    test, before = np.flatnonzero(first >= line), np.flatnonzero(end <= line)
    for part, name, change in ((test, "beyond", "raise"), (before, "before", "lower")):
        if not len(part):
            raise ValueError(
                f"split.test_fraction {test_fraction} leaves no patch of {scan.patch_px} px entirely {name} its line "
                f"in a field of {extent:g} px along the {axis} axis; {change} it"
            )
    before = before[np.argsort(place[before], kind="stable")]
    first_validation = len(before) - validation_count(len(before), validation_fraction)
    return require_non_empty(Split(np.sort(before[:first_validation]), np.sort(before[first_validation:]), test))


def within(index: np.ndarray, bounds: tuple[int, int]) -> np.ndarray:
    """Return True for each index with first <= index < end."""
    return (index >= bounds[0]) & (index < bounds[1])


def validation_count(candidates: int, fraction: float) -> int:
    """Return a fraction of the candidates, rounded: at least one, at most all but one.

    Raises:
        ValueError: If the fraction lies outside (0, 1).
    """
    if not 0 < fraction < 1:
        raise ValueError(f"validation_fraction must lie in (0, 1), got {fraction}; 5 % is written 0.05")
    return min(max(1, round(candidates * fraction)), candidates - 1)


def check_rows(scan: PtychoScan, rows: dict[str, tuple[int, int]], columns: tuple[int, int] | None) -> None:
    """Raise ValueError if a range does not lie inside the scan or two ranges of rows overlap."""
    row_count, column_count = (int(n) + 1 for n in scan.scan_index.max(axis=0))
    bounds = {name: (pair, row_count, "rows") for name, pair in rows.items()}
    if columns is not None:
        bounds["test_columns"] = (columns, column_count, "columns")
    for name, ((first, end), limit, what) in bounds.items():
        if not 0 <= first < end <= limit:
            raise ValueError(
                f"split.{name} [{first}, {end}) does not fit the scan's {limit} {what} (0..{limit - 1}); "
                f"set split.{name}=[first,end]"
            )
    pairs = sorted(rows.values())
    for (_, end), (first, _) in pairwise(pairs):
        if first < end:
            raise ValueError(f"split rows {pairs} overlap; the test rows must not be training rows")


def require_non_empty(split: Split) -> Split:
    """Return the split, or raise ValueError if a part has no point."""
    for name, part in split._asdict().items():
        if not len(part):
            raise ValueError(f"the split leaves no {name} point; take more rows")
    return split
