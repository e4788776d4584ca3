"""Object pixels that patches cover, for all patches of a scan at once."""

from typing import NamedTuple

import numpy as np


class Boxes(NamedTuple):
    """Rectangles of object pixels.

    first: int64 (..., 2), first row and first column.
    end: int64 (..., 2), the row after the last and the column after the last.
    """

    first: np.ndarray
    end: np.ndarray


def touched_pixels(positions_px: np.ndarray, patch_px: int) -> Boxes:
    """Return the pixels that each patch touches; a patch at a fractional position touches one more per axis.

    Args:
        positions_px: (N, 2), top-left (y, x) of each patch, px.
        patch_px: side of a patch.
    """
    return Boxes(np.floor(positions_px).astype(np.int64), np.ceil(positions_px).astype(np.int64) + patch_px)


def bounding_box(boxes: Boxes) -> Boxes:
    """Return the smallest rectangle that contains all rectangles, of which there is at least one."""
    return Boxes(boxes.first.min(axis=0), boxes.end.max(axis=0))


def covered_pixels(boxes: Boxes, field: Boxes) -> np.ndarray:
    """Return which pixels of a field at least one rectangle covers, bool (rows, columns).

    Args:
        boxes: N rectangles; the parts outside the field are ignored.
        field: one rectangle.
    """
    top, left, bottom, right = corners(boxes, field)
    height, width = field.end - field.first
    change = np.zeros((height + 1, width + 1), np.int64)
    for rows, columns, sign in ((top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1)):
        np.add.at(change, (rows, columns), sign)
    return change.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0


def covered_per_box(boxes: Boxes, covered: np.ndarray, field: Boxes) -> np.ndarray:
    """Return how many covered pixels of a field lie in each rectangle, int64 (N,).

    Args:
        boxes: N rectangles.
        covered: bool (rows, columns) of the field.
        field: one rectangle.
    """
    top, left, bottom, right = corners(boxes, field)
    table = np.zeros(np.add(covered.shape, 1), np.int64)
    table[1:, 1:] = covered.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    return table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]


def corners(boxes: Boxes, field: Boxes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return top, left, bottom and right of rectangles within a field, counted from the field's first pixel."""
    first, end = ((edge - field.first).clip(0, field.end - field.first) for edge in boxes)
    return *first.T, *end.T


def shares_pixel(boxes: Boxes, others: Boxes) -> np.ndarray:
    """Return True for each of N rectangles that shares at least one pixel with any of the others, bool (N,)."""
    if not len(others.first):
        return np.zeros(len(boxes.first), bool)
    field = bounding_box(others)
    return covered_per_box(boxes, covered_pixels(others, field), field) > 0
