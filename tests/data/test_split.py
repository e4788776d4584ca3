"""Splits: the papers' counts, and no shared object pixel where that is promised."""

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from torch import Generator

from ptycho_bench.data import split as splits
from ptycho_bench.data.sample import PtychoScan, ScanInfo
from ptycho_bench.data.split import disjoint_split, published_split
from ptycho_bench.physics.scan import raster_scan

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


def named_split(name, scan):
    settings = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    return getattr(splits, settings.pop("_target_").rpartition(".")[2])(scan, **settings)


def touched(scan, points):
    """Object pixels that the patches of these points cover."""
    mask = np.zeros(scan.positions_px.max(axis=0).astype(int) + scan.patch_px, bool)
    for y, x in scan.positions_px[points].astype(int):
        mask[y : y + scan.patch_px, x : x + scan.patch_px] = True
    return mask


def shared_pixels(scan, split):
    return (touched(scan, split.test) & touched(scan, np.concatenate(split[:2]))).sum()


@pytest.mark.parametrize(
    ("name", "train", "validation", "test"), [("ppn", 2928 - 146, 146, 169), ("cpr", 2989 - 149, 149, 144)]
)
def test_published_splits_have_the_papers_counts(scan, name, train, validation, test):
    assert [len(part) for part in named_split(name, scan)] == [train, validation, test]


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_point_is_in_two_parts(scan, path):
    everything = np.concatenate(named_split(path.stem, scan))
    assert len(np.unique(everything)) == len(everything)


def test_the_published_rows_and_columns_are_taken(scan):
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


def test_published_neighbours_share_pixels_and_disjoint_ones_do_not(scan):
    assert shared_pixels(scan, named_split("ppn", scan)) > 0
    assert shared_pixels(scan, named_split("disjoint", scan)) == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("step_px", "jitter_px"), [(8, 0), (8, 7), (3, 5), (16, 3)])
def test_a_disjoint_test_part_shares_no_pixel_whatever_the_jitter(step_px, jitter_px, seed):
    scan = raster(object_px=128, probe_px=16, step_px=step_px, jitter_px=jitter_px, seed=seed)
    rows = scan.scan_index[:, 0].max() + 1
    split = disjoint_split(scan, train_rows=(0, int(rows * 0.6)), validation_fraction=0.1)
    assert shared_pixels(scan, split) == 0


def test_a_disjoint_test_part_starts_below_the_last_row_that_reaches_back():
    top = [0, 2, 7, 5, 8]  # row 2 is clear of the training rows, row 3 jumps back onto them
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
        ((0, 1), 0.05, "leaves no validation point; widen its rows"),
    ],
)
def test_impossible_disjoint_splits_are_refused(scan, train_rows, fraction, message):
    with pytest.raises(ValueError, match=message):
        disjoint_split(scan, train_rows=train_rows, validation_fraction=fraction)
