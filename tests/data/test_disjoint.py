"""Disjoint splits: no two parts share an object pixel, wherever the scan points are."""

import numpy as np
import pytest

from ptycho_bench.data.disjoint import disjoint_split, region_split
from tests.data.scans import raster, scan_at, spiral, touched


def assert_no_shared_pixel(scan, split):
    """Check all pairs of parts with one mask of the field per part."""
    assert (np.sum([touched(scan, part) for part in split], axis=0, dtype=int) <= 1).all()


@pytest.fixture(scope="module")
def scan():
    return raster()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("step_px", "jitter_px"), [(8, 0), (8, 7), (3, 5), (16, 3)])
def test_disjoint_parts_share_no_pixel_for_any_jitter(step_px, jitter_px, seed):
    scan = raster(object_px=128, probe_px=16, step_px=step_px, jitter_px=jitter_px, seed=seed)
    rows = scan.scan_index[:, 0].max() + 1
    split = disjoint_split(scan, train_rows=(0, int(rows * 0.6)), validation_fraction=0.1)
    assert_no_shared_pixel(scan, split)


def test_a_disjoint_test_part_starts_below_the_last_row_that_overlaps_training():
    top = [0, 2, 6, 11, 9, 12]  # row 3 does not overlap the training rows, but row 4 does
    scan = scan_at([(y, 0) for y in top], [(row, 0) for row in range(6)], patch_px=4)
    split = disjoint_split(scan, train_rows=(0, 3), validation_fraction=0.3)
    assert_no_shared_pixel(scan, split)
    np.testing.assert_array_equal(split.test, [5])


def test_disjoint_validation_is_the_last_training_rows_with_a_gap_of_a_patch_on_either_side(scan):
    split = disjoint_split(scan, train_rows=(0, 48), validation_fraction=0.125)
    train, validation, test = (sorted(set(scan.scan_index[part, 0].tolist())) for part in split)
    assert train[:38] == list(range(38))
    assert train[-1] < 42 - 2  # the step is a quarter of a patch, and jitter moves single patches
    assert validation == list(range(42, 48))
    assert test == list(range(test[0], 61))
    assert len(split.validation) == 61 * 6 and len(split.test) == 61 * len(test)


def test_only_training_patches_that_overlap_validation_are_left_out(scan):
    split = disjoint_split(scan, train_rows=(0, 48), validation_fraction=0.05)
    seen = touched(scan, split.validation)
    for point in np.flatnonzero(scan.scan_index[:, 0] < 46):
        assert (point in split.train) != (touched(scan, [point]) & seen).any()


@pytest.mark.parametrize(
    ("train_rows", "fraction", "message"),
    [
        ((0, 62), 0.05, r"train_rows \[0, 62\) does not fit the scan's 61 rows"),
        ((0, 60), 0.05, r"leave no row of 61 .* take fewer training rows"),
        ((0, 48), 1.0, r"validation_fraction must lie in \(0, 1\), got 1"),
        ((0, 1), 0.05, "leaves no validation point; take more rows"),
        ((0, 3), 0.05, "all 122 training patches of 32 px share object pixels with the 61 validation patches; lower"),
    ],
)
def test_impossible_disjoint_splits_are_refused(scan, train_rows, fraction, message):
    with pytest.raises(ValueError, match=message):
        disjoint_split(scan, train_rows=train_rows, validation_fraction=fraction)


@pytest.mark.parametrize("axis", ["row", "column"])
@pytest.mark.parametrize("test_fraction", [0.2, 0.35, 0.6])
@pytest.mark.parametrize("seed", range(3))
def test_a_region_shares_no_pixel_wherever_the_points_are(axis, test_fraction, seed):
    for scan in (spiral(seed=seed), raster(object_px=128, probe_px=16, jitter_px=7, seed=seed)):
        split = region_split(scan, axis=axis, test_fraction=test_fraction, validation_fraction=0.1)
        assert_no_shared_pixel(scan, split)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_region_is_the_last_part_of_the_field_and_validation_is_next_to_it(axis):
    scan = spiral()
    split = region_split(scan, axis=("row", "column")[axis], test_fraction=0.25, validation_fraction=0.1)
    place = scan.positions_px[:, axis]
    train, validation = place[split.train], place[split.validation]
    line = np.ceil(0.75 * (np.ceil(place.max()) + 24))
    before = np.ceil(place) + 24 <= line
    assert train.max() <= validation.min() <= validation.max() <= line - 24
    np.testing.assert_array_equal(split.test, np.flatnonzero(np.floor(place) >= line))
    assert len(validation) == round(0.1 * before.sum())
    seen = touched(scan, split.validation)
    for point in np.setdiff1d(np.flatnonzero(before), np.concatenate(split)):
        assert (touched(scan, [point]) & seen).any()


def test_a_region_needs_neither_a_raster_nor_an_order():
    scan = spiral()
    order = np.random.default_rng(3).permutation(len(scan))
    shuffled = scan_at(scan.positions_px[order], scan.scan_index, scan.patch_px)
    settings = {"axis": "row", "test_fraction": 0.3, "validation_fraction": 0.1}
    for part, other in zip(region_split(scan, **settings), region_split(shuffled, **settings), strict=True):
        assert set(part) == set(order[other])
        assert (np.diff(part) > 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axis": "diagonal"}, "split.axis must be row or column, got 'diagonal'"),
        ({"test_fraction": 25}, r"test_fraction must lie in \(0, 1\), got 25; 25 % is written 0\.25"),
        (
            {"test_fraction": 0.05},
            r"0\.05 leaves no patch of 32 px entirely beyond its line in a field of 512 px .* raise",
        ),
        ({"test_fraction": 0.95}, r"0\.95 leaves no patch of 32 px entirely before its line .* lower it"),
        ({"validation_fraction": 1.0}, r"validation_fraction must lie in \(0, 1\), got 1"),
        ({"validation_fraction": 0.99}, "share object pixels with the .* lower split.validation_fraction"),
    ],
)
def test_impossible_regions_are_refused(scan, changes, message):
    settings = {"axis": "row", "test_fraction": 0.25, "validation_fraction": 0.05} | changes
    with pytest.raises(ValueError, match=message):
        region_split(scan, **settings)
