"""Splits: the papers' counts, and no shared object pixels where the split excludes them."""

from pathlib import Path

import numpy as np
import pytest
from torch import Generator

from ptycho_bench.config.build import build
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.data.split import disjoint_split, published_split, region_split
from ptycho_bench.physics.scan import raster_scan
from tests.conftest import composed

CONF = Path(__file__).parents[2] / "conf" / "split"
PPN = {"train_rows": (0, 48), "test_rows": (48, 61), "test_columns": (0, 13), "validation_fraction": 0.05, "seed": 0}


def scan_at(positions_px, scan_index, patch_px):
    blank = np.zeros((len(positions_px), patch_px, patch_px), np.float32)
    return PtychoScan(
        diffraction=blank,
        amplitude=blank,
        phase=blank,
        positions_px=np.asarray(positions_px, np.float64),
        scan_index=np.asarray(scan_index),
        probe=blank[:1].astype(np.complex64),
        info=ScanInfo(origin="test"),
    )


def raster(object_px=512, probe_px=32, step_px=8, jitter_px=3, seed=0):
    positions, index, _ = raster_scan(
        (object_px, object_px),
        probe_px,
        overlap_ratio=None,
        step_px=step_px,
        jitter_px=jitter_px,
        generator=Generator().manual_seed(seed),
    )
    return scan_at(positions.numpy(), index.numpy(), probe_px)


@pytest.fixture(scope="module")
def scan():
    return raster()


@pytest.fixture(scope="module")
def fine_scan():
    """161 x 161 points as at 26-ID, with small patches of 8 px."""
    return raster(object_px=8 + 160 * 3, probe_px=8, step_px=3, jitter_px=0)


def spiral(count=900, patch_px=24, seed=0):
    """A scan on a Fermat spiral, at fractional positions, all in one scan row and in random order."""
    rng = np.random.default_rng(seed)
    turn = rng.permutation(count)
    angle = turn * np.pi * (3 - 5**0.5)
    positions = 6 * np.sqrt(turn)[:, None] * np.stack((np.sin(angle), np.cos(angle)), axis=1)
    index = np.stack((np.zeros(count, int), np.arange(count)), axis=1)
    return scan_at(positions - positions.min(axis=0), index, patch_px)


def named_split(name, scan, *words):
    return build(composed(f"split={name}", *words)["split"], scan=scan)


def touched(scan, points):
    """Object pixels that the patches of these points cover, at least partly."""
    mask = np.zeros(np.ceil(scan.positions_px.max(axis=0)).astype(int) + scan.patch_px, bool)
    first, last = np.floor(scan.positions_px).astype(int), np.ceil(scan.positions_px).astype(int)
    for (top, left), (bottom, right) in zip(first[points], last[points], strict=True):
        mask[top : bottom + scan.patch_px, left : right + scan.patch_px] = True
    return mask


def shared_pixels(scan, split):
    return (touched(scan, split.test) & touched(scan, np.concatenate(split[:2]))).sum()


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
    of = fine_scan if path.stem in ("aps26id", "wnet", "wnet_few") else scan
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


def test_few_patterns_are_a_subset_of_the_whole_split_with_the_same_test_part(scan):
    whole = named_split("ppn", scan)
    for patterns, (train, validation) in {50: (48, 2), 100: (95, 5), 2928: (2782, 146)}.items():
        few = named_split("ppn_few", scan, f"split.patterns={patterns}")
        assert (len(few.train), len(few.validation)) == (train, validation)
        np.testing.assert_array_equal(few.test, whole.test)
        assert set(few.train) <= set(whole.train) and set(few.validation) <= set(whole.validation)
    other = named_split("ppn_few", scan, "split.patterns=2000", "split.seed=1")
    more = named_split("ppn_few", scan, "split.patterns=2000")
    assert set(named_split("ppn_few", scan).train) < set(more.train)
    assert set(other.train) != set(more.train)
    for patterns in (1, 2929):
        with pytest.raises(ValueError, match=rf"split.patterns must lie in \[2, 2928\].*got {patterns}"):
            named_split("ppn_few", scan, f"split.patterns={patterns}")


def test_published_neighbours_share_pixels_and_disjoint_ones_do_not(scan):
    assert shared_pixels(scan, named_split("ppn", scan)) > 0
    assert shared_pixels(scan, named_split("disjoint", scan)) == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("step_px", "jitter_px"), [(8, 0), (8, 7), (3, 5), (16, 3)])
def test_a_disjoint_test_part_shares_no_pixel_for_any_jitter(step_px, jitter_px, seed):
    scan = raster(object_px=128, probe_px=16, step_px=step_px, jitter_px=jitter_px, seed=seed)
    rows = scan.scan_index[:, 0].max() + 1
    split = disjoint_split(scan, train_rows=(0, int(rows * 0.6)), validation_fraction=0.1)
    assert shared_pixels(scan, split) == 0


def test_a_disjoint_test_part_starts_below_the_last_row_that_overlaps_training():
    top = [0, 2, 7, 5, 8]  # row 2 does not overlap the training rows, but row 3 does
    scan = scan_at([(y, 0) for y in top], [(row, 0) for row in range(5)], patch_px=4)
    assert shared_pixels(scan, disjoint_split(scan, train_rows=(0, 2), validation_fraction=0.5)) == 0


def test_disjoint_validation_is_the_last_training_rows(scan):
    train, validation, test = disjoint_split(scan, train_rows=(0, 48), validation_fraction=0.125)
    rows = [sorted(set(scan.scan_index[part, 0].tolist())) for part in (train, validation, test)]
    assert rows[0] == list(range(42))
    assert rows[1] == list(range(42, 48))
    assert rows[2] == list(range(rows[2][0], 61))
    assert len(test) == 61 * len(rows[2])


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


@pytest.mark.parametrize(
    ("train_rows", "fraction", "message"),
    [
        ((0, 62), 0.05, r"train_rows \[0, 62\) does not fit the scan's 61 rows"),
        ((0, 60), 0.05, r"leave no row of 61 .* take fewer training rows"),
        ((0, 48), 1.0, r"validation_fraction must lie in \(0, 1\), got 1"),
        ((0, 1), 0.05, "leaves no validation point; take more rows"),
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
        assert shared_pixels(scan, split) == 0
        assert len(np.unique(np.concatenate(split))) == sum(map(len, split))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_region_is_the_last_part_of_the_field_and_validation_is_next_to_it(axis):
    scan = spiral()
    split = region_split(scan, axis=("row", "column")[axis], test_fraction=0.25, validation_fraction=0.1)
    place = scan.positions_px[:, axis]
    train, validation, test = (place[part] for part in split)
    line = 0.75 * (place.max() + 24)
    assert train.max() <= validation.min() <= validation.max() <= line - 24 + 2  # 1 px for the line, 1 px for the patch
    assert test.min() >= line - 1
    assert len(validation) == round(0.1 * (len(train) + len(validation)))
    left_out = np.setdiff1d(np.arange(len(scan)), np.concatenate(split))
    assert (place[left_out] < line + 1).all()
    assert (place[left_out] + 24 > line - 1).all()


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
    ],
)
def test_impossible_regions_are_refused(scan, changes, message):
    settings = {"axis": "row", "test_fraction": 0.25, "validation_fraction": 0.05} | changes
    with pytest.raises(ValueError, match=message):
        region_split(scan, **settings)
