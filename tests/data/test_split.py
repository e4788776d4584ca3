"""Splits of the papers: their counts and places, and draws of few patterns."""

from pathlib import Path

import numpy as np
import pytest

from ptycho_bench.config.build import build
from ptycho_bench.data.split import corner_split, published_split
from tests.conftest import composed
from tests.data.scans import raster

CONF = Path(__file__).parents[2] / "conf" / "split"
PPN = {"train_rows": (0, 48), "test_rows": (48, 61), "test_columns": (0, 13), "validation_fraction": 0.05, "seed": 0}


@pytest.fixture(scope="module")
def scan():
    return raster()


@pytest.fixture(scope="module")
def fine_scan():
    """161 x 161 points as at 26-ID, with small patches of 8 px."""
    return raster(object_px=8 + 160 * 3, probe_px=8, step_px=3, jitter_px=0)


def named_split(name, scan, *words):
    return build(composed(f"split={name}", *words)["split"], scan=scan)


@pytest.mark.parametrize(
    ("name", "train", "validation", "test"), [("ppn", 2928 - 146, 146, 169), ("cpr", 2989 - 149, 149, 144)]
)
def test_published_splits_have_the_papers_counts(scan, name, train, validation, test):
    assert [len(part) for part in named_split(name, scan)] == [train, validation, test]


@pytest.mark.parametrize(("name", "validation"), [("aps26id", 805), ("wnet", 1610)])
def test_the_splits_of_26_id_have_the_papers_counts_and_places(fine_scan, name, validation):
    split = named_split(name, fine_scan)
    assert [len(part) for part in split] == [16100 - validation, validation, 3600]
    assert set(fine_scan.scan_index[np.concatenate(split[:2]), 0]) == set(range(100))
    for column in fine_scan.scan_index[split.test].T:
        assert set(column) == set(range(101, 161))


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_point_is_in_two_parts(scan, fine_scan, path):
    of = fine_scan if path.stem in ("aps26id", "aps26id_cpr", "wnet", "wnet_few") else scan
    everything = np.concatenate(named_split(path.stem, of))
    assert len(np.unique(everything)) == len(everything)


def test_the_published_rows_and_columns_are_used(scan):
    train, validation, test = named_split("ppn", scan)
    assert set(scan.scan_index[train, 0]) | set(scan.scan_index[validation, 0]) == set(range(48))
    assert set(scan.scan_index[test, 0]) == set(range(48, 61))
    assert set(scan.scan_index[test, 1]) == set(range(13))


def test_the_validation_draw_depends_on_its_seed_alone(scan):
    np.random.seed(1)
    first = published_split(scan, **PPN).validation
    np.random.seed(2)
    np.testing.assert_array_equal(first, published_split(scan, **PPN).validation)
    assert not np.array_equal(first, published_split(scan, **PPN | {"seed": 1}).validation)


@pytest.mark.parametrize(
    ("name", "side", "others", "rows", "columns"),
    [("cpr_released", 61, 3577, (49, 61), (0, 12)), ("aps26id_cpr", 161, 22321, (101, 161), (101, 161))],
)
def test_the_released_splits_train_on_everything_but_a_corner(scan, fine_scan, name, side, others, rows, columns):
    of = scan if side == 61 else fine_scan
    train, validation, test = named_split(name, of)
    assert len(train) + len(validation) == others
    assert len(validation) == round(0.05 * others)
    assert sorted(np.concatenate((train, validation, test))) == list(range(side**2))
    for column, (first, end) in zip(of.scan_index[test].T, (rows, columns), strict=True):
        assert set(column) == set(range(first, end))
    assert len(test) == (rows[1] - rows[0]) * (columns[1] - columns[0])


def test_validation_points_of_a_corner_split_depend_on_the_seed_and_lie_everywhere(scan):
    first, again, other = (named_split("cpr_released", scan, f"split.seed={seed}").validation for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)
    assert scan.scan_index[first].min(axis=0).max() < 5 and scan.scan_index[first].max(axis=0).min() > 55


@pytest.mark.parametrize(("patterns", "validation"), [(1, 20), (50, 20), (400, 21), (2782, 146)])
def test_few_patterns_are_a_subset_of_the_whole_split_with_the_same_test_part(scan, patterns, validation):
    whole, few = named_split("ppn", scan), named_split("ppn_few", scan, f"split.patterns={patterns}")
    assert (len(few.train), len(few.validation)) == (patterns, validation)
    assert set(few.train) <= set(whole.train) and set(few.validation) <= set(whole.validation)
    np.testing.assert_array_equal(few.test, whole.test)


def test_a_larger_draw_contains_every_smaller_one_of_the_same_seed(scan):
    small, large = (named_split("ppn_few", scan, f"split.patterns={count}") for count in (100, 2000))
    assert set(small.train) < set(large.train)
    assert set(small.validation) < set(large.validation)
    assert set(named_split("ppn_few", scan, "split.patterns=2000", "split.seed=1").train) != set(large.train)


def test_more_validation_patterns_change_neither_training_nor_test_and_end_with_all_of_them(scan):
    few, more, most = (named_split("ppn_few", scan, f"split.validation_patterns={count}") for count in (1, 30, 999))
    assert [len(split.validation) for split in (few, more, most)] == [5, 30, 146]  # 5 in proportion to 100 patterns
    for split in (more, most):
        np.testing.assert_array_equal(split.train, few.train)
        np.testing.assert_array_equal(split.test, few.test)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("split.patterns=0", r"patterns must lie in \[1, 1000000\], got 0"),
        ("split.patterns=2783", r"split.patterns must lie in \[1, 2782\].* got 2783"),
        ("split.validation_patterns=0", r"validation_patterns must lie in \[1, 1000000\], got 0"),
    ],
)
def test_impossible_numbers_of_patterns_are_refused(scan, words, message):
    with pytest.raises(ValueError, match=message):
        named_split("ppn_few", scan, words)


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ((49, 62), (0, 12), r"test_rows \[49, 62\) does not fit the scan's 61 rows"),
        ((49, 61), (-1, 12), r"test_columns \[-1, 12\) does not fit the scan's 61 columns"),
        ((0, 61), (0, 61), "leaves no train point"),
    ],
)
def test_impossible_corners_are_refused(scan, rows, columns, message):
    with pytest.raises(ValueError, match=message):
        corner_split(scan, test_rows=rows, test_columns=columns, validation_fraction=0.05, seed=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_rows": (48, 62)}, r"test_rows \[48, 62\) does not fit the scan's 61 rows \(0\.\.60\)"),
        ({"train_rows": (-1, 48)}, r"train_rows \[-1, 48\) does not fit"),
        ({"train_rows": (5, 5)}, r"train_rows \[5, 5\) does not fit"),
        ({"test_columns": (50, 70)}, r"test_columns \[50, 70\) does not fit the scan's 61 columns"),
        ({"test_rows": (40, 61)}, r"\(0, 48\), \(40, 61\)\] overlap"),
        ({"validation_fraction": 5}, r"validation_fraction must lie in \(0, 1\), got 5; 5 % is written 0\.05"),
        ({"validation_fraction": 0.0}, r"validation_fraction must lie in \(0, 1\), got 0"),
    ],
)
def test_impossible_published_splits_are_refused(scan, changes, message):
    with pytest.raises(ValueError, match=message):
        published_split(scan, **PPN | changes)
