"""Split a scan so that no two of its parts share an object pixel; conf/split calls these functions."""

from typing import Literal

import numpy as np

from ptycho_bench.data.coverage import Boxes, shares_pixel, touched_pixels
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.split import Split, check_rows, require_non_empty, validation_count, within
from ptycho_bench.physics.bounds import Fraction, Index


def disjoint_split(scan: PtychoScan, *, train_rows: tuple[Index, Index], validation_fraction: Fraction) -> Split:
    """Split scan rows so that no two of the three parts share an object pixel, even with jitter.

    Training patches that overlap a validation patch are left out, and so are rows between validation and test.

    Args:
        scan: scan to split.
        train_rows: first scan row for training and validation, and the row after the last; validation takes the last
            rows.
        validation_fraction: fraction of these rows, rounded to whole rows, at least one, (0, 1).

    Raises:
        ValueError: If rows lie outside the scan, or no row is left for testing or no patch for training.
    """
    check_rows(scan, {"train_rows": train_rows}, None)
    row = scan.scan_index[:, 0]
    first_validation = train_rows[1] - validation_count(train_rows[1] - train_rows[0], validation_fraction)
    validation = np.flatnonzero(within(row, (first_validation, train_rows[1])))
    train = apart_from(validation, np.flatnonzero(within(row, (train_rows[0], first_validation))), scan)
    first, end = (edge[:, 0] for edge in touched_pixels(scan.positions_px, scan.patch_px))
    last_pixel = end[within(row, train_rows)].max()
    clear = np.array([(first[row == r] >= last_pixel).all() for r in range(row.max() + 1)])
    first_test = len(clear) - int(np.logical_and.accumulate(clear[::-1]).sum())  # and every row below it
    if first_test == len(clear):
        raise ValueError(
            f"train_rows {list(train_rows)} leave no row of {row.max() + 1} whose patches start at or below px "
            f"{last_pixel}; take fewer training rows"
        )
    return require_non_empty(Split(train, validation, np.flatnonzero(row >= first_test)))


def region_split(
    scan: PtychoScan, *, axis: Literal["row", "column"], test_fraction: Fraction, validation_fraction: Fraction
) -> Split:
    """Take the last part of the field for testing; only positions are used, so that the scan need not be a raster.

    A line divides the field. Test patches lie entirely beyond it and all others entirely before it; patches across the
    line are left out. Validation patches are those nearest to the line, and training patches that overlap one of them
    are left out. No two parts share an object pixel. A patch at a fractional position covers every pixel that it
    touches.

    Args:
        scan: scan to split.
        axis: `row` for a horizontal line with test patches below it, `column` for a vertical line with test patches to
            its right.
        test_fraction: fraction of the field's extent along the axis that lies beyond the line, (0, 1).
        validation_fraction: fraction of the patches before the line that is taken for validation, (0, 1).

    Raises:
        ValueError: If the axis is unknown, a fraction lies outside (0, 1), no patch is left on a side of the line, or
            none is left for training.
    """
    if axis not in ("row", "column"):
        raise ValueError(f"split.axis must be row or column, got {axis!r}")
    if not 0 < test_fraction < 1:
        raise ValueError(f"split.test_fraction must lie in (0, 1), got {test_fraction}; 25 % is written 0.25")
    along = ("row", "column").index(axis)
    first, end = (edge[:, along] for edge in touched_pixels(scan.positions_px, scan.patch_px))
    extent = end.max() - first.min()
    line = np.ceil(end.max() - test_fraction * extent)
    test, before = np.flatnonzero(first >= line), np.flatnonzero(end <= line)
    for part, name, change in ((test, "beyond", "raise"), (before, "before", "lower")):
        if not len(part):
            raise ValueError(
                f"split.test_fraction {test_fraction} leaves no patch of {scan.patch_px} px entirely {name} its line "
                f"in a field of {extent} px along the {axis} axis; {change} it"
            )
    before = before[np.argsort(scan.positions_px[before, along], kind="stable")]
    first_validation = len(before) - validation_count(len(before), validation_fraction)
    validation = np.sort(before[first_validation:])
    return require_non_empty(Split(apart_from(validation, np.sort(before[:first_validation]), scan), validation, test))


def apart_from(validation: np.ndarray, train: np.ndarray, scan: PtychoScan) -> np.ndarray:
    """Return the training points whose patches share no object pixel with any validation patch.

    Raises:
        ValueError: If there are training points, but each of their patches shares a pixel with a validation patch.
    """
    boxes = touched_pixels(scan.positions_px, scan.patch_px)
    train_boxes, validation_boxes = (Boxes(boxes.first[part], boxes.end[part]) for part in (train, validation))
    apart = train[~shares_pixel(train_boxes, validation_boxes)]
    if len(train) and not len(apart):
        raise ValueError(
            f"all {len(train)} training patches of {scan.patch_px} px share object pixels with the {len(validation)} "
            "validation patches; lower split.validation_fraction or take more of the field for training"
        )
    return apart
