"""Coverage of object pixels, against painting one patch after the other."""

import numpy as np
import pytest

from ptycho_bench.data.coverage import (
    Boxes,
    bounding_box,
    covered_per_box,
    covered_pixels,
    shares_pixel,
    touched_pixels,
)
from tests.data.scans import scan_at, touched

PATCH = 5


@pytest.fixture(params=[0.0, 0.37])
def positions(request):
    """Positions of 40 patches in a sparse field, whole or fractional."""
    return np.random.default_rng(0).integers(0, 30, (40, 2)) + request.param


def some(boxes, points):
    return Boxes(boxes.first[points], boxes.end[points])


def test_a_patch_at_a_fractional_position_touches_one_more_pixel_per_axis():
    boxes = touched_pixels(np.array([[3.0, 2.25]]), PATCH)
    np.testing.assert_array_equal(boxes.first, [[3, 2]])
    np.testing.assert_array_equal(boxes.end, [[8, 8]])


def test_covered_pixels_are_those_that_any_patch_touches(positions):
    scan = scan_at(positions, np.zeros((40, 2), int), PATCH)
    boxes = touched_pixels(positions, PATCH)
    field = Boxes(np.array([4, 2]), np.array([20, 27]))  # cuts patches off on all sides
    painted = touched(scan, np.arange(12))[4:20, 2:27]
    covered = covered_pixels(some(boxes, slice(12)), field)
    np.testing.assert_array_equal(covered, painted)
    for box, count in zip(zip(*boxes, strict=True), covered_per_box(boxes, covered, field), strict=True):
        (top, left), (bottom, right) = (np.clip(edge - field.first, 0, None) for edge in box)
        assert count == painted[top:bottom, left:right].sum()


def test_the_bounding_box_contains_all_patches(positions):
    first, end = bounding_box(touched_pixels(positions, PATCH))
    np.testing.assert_array_equal(first, np.floor(positions.min(axis=0)))
    np.testing.assert_array_equal(end, np.ceil(positions.max(axis=0)) + PATCH)


def test_patches_share_a_pixel_only_if_they_overlap_and_not_if_they_touch_at_an_edge():
    boxes = touched_pixels(np.array([[0.0, 5.0], [0.0, 4.0], [5.0, 0.0], [4.5, 4.5], [20.0, 0.0]]), PATCH)
    others = touched_pixels(np.array([[0.0, 0.0], [-9.0, -9.0]]), PATCH)
    np.testing.assert_array_equal(shares_pixel(boxes, others), [False, True, False, True, False])
    assert not shares_pixel(boxes, some(others, slice(0))).any()
