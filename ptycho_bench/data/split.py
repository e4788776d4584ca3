"""Split a scan into training, validation and test parts as the papers do; conf/split calls these functions.

Their parts share object pixels; those of `data.disjoint` do not.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.physics.bounds import Count, Fraction, Index, Seed


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
    train_rows: tuple[Index, Index],
    test_rows: tuple[Index, Index],
    test_columns: tuple[Index, Index],
    validation_fraction: Fraction,
    seed: Seed,
) -> Split:
    """Take rows for training, a corner for testing and random training points for validation, as the papers do.

    Training and test patches that overlap share object pixels; `data.disjoint` avoids this.

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
    candidates = np.flatnonzero(within(scan.scan_index[:, 0], train_rows))
    return draw_validation(candidates, in_corner(scan, test_rows, test_columns), validation_fraction, seed)


def corner_split(
    scan: PtychoScan,
    *,
    test_rows: tuple[Index, Index],
    test_columns: tuple[Index, Index],
    validation_fraction: Fraction,
    seed: Seed,
) -> Split:
    """Take a corner for testing, everything else for training, and random training points for validation.

    Training patches surround the corner and share object pixels with test patches; `data.disjoint` avoids this.

    Args:
        scan: scan to split.
        test_rows: first scan row for testing, and the row after the last.
        test_columns: first scan column for testing, and the column after the last.
        validation_fraction: fraction of the other points that is drawn for validation, (0, 1).
        seed: seed of that draw.

    Raises:
        ValueError: If rows or columns lie outside the scan, or a part is empty.
    """
    check_rows(scan, {"test_rows": test_rows}, test_columns)
    test = in_corner(scan, test_rows, test_columns)
    return draw_validation(np.setdiff1d(np.arange(len(scan)), test), test, validation_fraction, seed)


def subset_split(
    scan: PtychoScan, *, whole: Callable[..., Split], patterns: Count, validation_patterns: Count, seed: Seed
) -> Split:
    """Reduce another split to fewer training patterns, and its validation patterns in the same proportion.

    Patterns are drawn at random. With the same seed, a larger draw contains every smaller one.

    Args:
        scan: scan to split.
        whole: function that returns the other split for a scan.
        patterns: number of training patterns, at least 1.
        validation_patterns: smallest number of validation patterns, at least 1; all are taken if the other split has
            fewer.
        seed: seed of the draw.

    Raises:
        ValueError: If a number is below 1, or `patterns` is above the number of training patterns in the other split.
    """
    split = whole(scan=scan)
    available = len(split.train)
    if not 1 <= patterns <= available:
        raise ValueError(
            f"split.patterns must lie in [1, {available}], the training patterns of the whole split, got {patterns}"
        )
    if validation_patterns < 1:
        raise ValueError(f"split.validation_patterns must be at least 1, got {validation_patterns}")
    in_proportion = round(patterns * len(split.validation) / available)
    counts = {"train": patterns, "validation": max(validation_patterns, in_proportion)}
    generator = np.random.default_rng(seed)
    drawn = {name: np.sort(generator.permutation(getattr(split, name))[:count]) for name, count in counts.items()}
    return split._replace(**drawn)


def in_corner(scan: PtychoScan, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    """Return the points in these scan rows and columns."""
    row, column = scan.scan_index.T
    return np.flatnonzero(within(row, rows) & within(column, columns))


def draw_validation(candidates: np.ndarray, test: np.ndarray, fraction: float, seed: int) -> Split:
    """Return a split with a random fraction of the candidates for validation and the others for training."""
    count = validation_count(len(candidates), fraction)
    validation = np.sort(np.random.default_rng(seed).permutation(candidates)[:count])
    return require_non_empty(Split(np.setdiff1d(candidates, validation), validation, test))


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
