"""Leakage, against painting one patch after the other and by hand."""

import time

import numpy as np
import pytest

from ptycho_bench.config.build import build
from ptycho_bench.data.split import Split
from ptycho_bench.evaluation.leakage import leakage
from tests.conftest import composed
from tests.data.scans import raster, spiral, touched

NONE = np.array([], np.int64)


def parts(train, validation, test):
    return Split(*(np.array(part, np.int64) for part in (train, validation, test)))


def painted(scan, split):
    """Return the fraction of test patches and of their pixels that were seen, with one mask of the field per patch."""
    seen = touched(scan, np.concatenate(split[:2]))
    test_patches = np.mean([(touched(scan, [point]) & seen).any() for point in split.test])
    return {"test_patches": test_patches, "field": seen[touched(scan, split.test)].mean()}


@pytest.mark.parametrize("scan", [raster(96, 16, 5, 2), spiral(count=200)], ids=["raster", "fractional"])
def test_leakage_is_that_of_painted_patches(scan):
    order = np.random.default_rng(1).permutation(len(scan))
    split = parts(order[:15], order[15:20], order[20:60])
    found = leakage(scan.positions_px, split, scan.patch_px)
    for name, value in painted(scan, split).items():
        assert 0 < value < 1
        assert found[name] == pytest.approx(value)


def test_half_a_test_patch_that_a_training_patch_covers_is_counted_by_hand():
    positions = np.array([[0.0, 0.0], [0.0, 4.0], [100.0, 0.0]])
    assert leakage(positions, parts([0], [2], [1]), 8) == {"test_patches": 1.0, "field": 0.5, "scored": 0.5}
    assert leakage(positions, parts([0], [1], [2]), 8) == {"test_patches": 0.0, "field": 0.0, "scored": 0.0}


def test_only_the_scored_rectangle_counts_for_it():
    """One long test field, 40 px square, is scored from px 8 to 32; training covers its first 12 rows."""
    positions = np.array(
        [(y, x) for y in range(0, 25, 4) for x in range(0, 25, 4)] + [(-4, x) for x in range(0, 25, 4)]
    )
    test, train = np.arange(49), np.arange(49, 56)
    found = leakage(positions.astype(float), Split(train, NONE, test), 16)
    assert found == {"test_patches": pytest.approx(21 / 49), "field": 12 / 40, "scored": pytest.approx(4 / 24)}


def test_pixels_that_no_test_patch_covers_do_not_count():
    positions = np.array([[0.0, 0.0], [0.0, 24.0], [0.0, 12.0]])
    assert leakage(positions, parts([2], [], [0, 1]), 8) == {"test_patches": 0.0, "field": 0.0, "scored": 0.0}


def test_validation_patches_count_as_seen():
    positions = np.array([[0.0, 0.0], [0.0, 0.0], [50.0, 0.0]])
    assert leakage(positions, parts([2], [0], [1]), 8)["field"] == 1.0


@pytest.mark.parametrize(
    ("name", "test_patches", "scored"), [("ppn", 0.30, 0.11), ("cpr", 0.31, 0.15), ("cpr_released", 0.51, 0.26)]
)
def test_published_splits_of_the_default_scan_leak(name, test_patches, scored):
    scan = raster()
    found = leakage(scan.positions_px, build(composed(f"split={name}")["split"], scan=scan), scan.patch_px)
    assert found["test_patches"] == pytest.approx(test_patches, abs=0.005)
    assert found["scored"] == pytest.approx(scored, abs=0.005)
    assert found["test_patches"] > found["field"] > found["scored"]


@pytest.mark.parametrize("name", ["disjoint", "region"])
def test_disjoint_splits_do_not_leak(name):
    scan = raster()
    found = leakage(scan.positions_px, build(composed(f"split={name}")["split"], scan=scan), scan.patch_px)
    assert set(found.values()) == {0.0}


def test_a_scan_of_26_thousand_patterns_takes_less_than_a_second():
    scan = raster(object_px=8 + 160 * 3, probe_px=8, step_px=3, jitter_px=0)
    row, column = scan.scan_index.T
    test = (row > 100) & (column > 100)
    started = time.perf_counter()
    found = leakage(scan.positions_px, Split(np.flatnonzero(~test), NONE, np.flatnonzero(test)), 64)
    assert time.perf_counter() - started < 1
    assert 0 < found["scored"] < found["field"] < found["test_patches"] < 1
