"""Which points of a scan a region contains: all, those of the test part, or those in a rectangle."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from ptycho_bench.physics.scan import raster_scan
from ptycho_bench.runs.region import common_rectangle, points_of, ranges_of, training_points


def stored_test(scan, points, name="tiny", **changes) -> dict:
    """Return what a checkpoint stores about the test points of a scan."""
    corners = scan.positions_px[points]
    (top, left), (bottom, right) = corners.min(axis=0), corners.max(axis=0) + scan.patch_px
    region = [float(edge) for edge in (top, bottom, left, right)]
    return {"name": name, "words": f"data={name}", "content_hash": scan.content_hash, "points": list(points),
            "train": [[0, 1]], "region_px": region, **changes}  # fmt: skip


@pytest.fixture
def scan(tiny_scan):
    """The tiny scan with a content hash."""
    return dataclasses.replace(tiny_scan, content_hash="tiny")


@pytest.fixture
def other(tiny_scan):
    """Another scan of the same field: every second point, 3 px further."""
    every = np.arange(0, len(tiny_scan), 2)
    arrays = {name: getattr(tiny_scan, name)[every] for name in ("diffraction", "scan_index", "amplitude", "phase")}
    return dataclasses.replace(
        tiny_scan, **arrays, positions_px=tiny_scan.positions_px[every] + 3, content_hash="other"
    )


def test_all_are_the_points_of_the_scan(scan):
    assert points_of(scan, "all", None).tolist() == list(range(121))


def test_the_test_region_of_a_training_scan_is_the_points_that_the_run_was_tested_on(scan):
    points = [3, 70, 120]
    assert points_of(scan, "test", [stored_test(scan, points)]).tolist() == points


def test_a_rectangle_contains_the_points_whose_whole_patch_lies_in_it(scan):
    found = points_of(scan, [8, 40, 0, 30], None)
    y, x = scan.positions_px.T
    inside = (y >= 8) & (y + 16 <= 40) & (x + 16 <= 30)
    assert found.tolist() == np.flatnonzero(inside).tolist()
    assert 0 < len(found) < 121


def test_edges_belong_to_a_rectangle(scan):
    y, x = scan.positions_px[60]
    assert points_of(scan, [y, y + 16, x, x + 16], None).tolist() == [60]


def test_the_test_region_of_another_scan_is_the_rectangle_that_the_tested_patches_cover(scan, other):
    points = list(range(66, 121))
    description = stored_test(scan, points)
    found = points_of(other, "test", [description])
    assert found.tolist() == points_of(other, description["region_px"], None).tolist()
    top = scan.positions_px[points, 0].min()
    assert len(found) and (other.positions_px[found, 0] >= top).all()


def test_of_several_tested_scans_the_one_with_the_same_content_is_meant_whatever_its_name(scan, other):
    descriptions = [stored_test(other, [0, 1], name="tiny"), stored_test(scan, [5, 6], name="other")]
    assert points_of(scan, "test", descriptions, "tiny").tolist() == [5, 6]


def test_of_several_tested_scans_a_new_one_shares_the_field_of_the_one_with_its_name(scan, other):
    new = dataclasses.replace(other, content_hash="new")
    first, second = (
        stored_test(scan, range(60), name="a"),
        stored_test(scan, range(60, 121), name="b", content_hash="b"),
    )
    for name, description in (("a", first), ("b", second)):
        expected = points_of(new, description["region_px"], None).tolist()
        assert points_of(new, "test", [first, second], name).tolist() == expected
    with pytest.raises(ValueError, match="none of the 2 that were tested, a, b, so it has no test region; use region"):
        points_of(new, "test", [first, second], "c")


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("some", "region must be all, test or [top,bottom,left,right] in object pixels, got 'some'"),
        (3, "in object pixels, got 3"),
        (None, "in object pixels, got None"),
        ([0, 10, 0], "4 numbers, got [0, 10, 0]"),
        ([0, 10, 0, float("inf")], "4 numbers, got [0, 10, 0, inf]"),
        ([True, 10, 0, 20], "4 numbers, got [True, 10, 0, 20]"),
        ([10, 10, 0, 20], "top < bottom, left < right, got [10, 10, 0, 20]"),
        ([0, 20, 30, 20], "top < bottom, left < right, got [0, 20, 30, 20]"),
        (["a", "b", "c", "d"], "4 numbers, got ['a', 'b', 'c', 'd']"),
        ([0, 15, 0, 15], "no patch of this scan lies in rows 0..15 px, columns 0..15 px; use region=all"),
    ],
)
def test_an_impossible_region_is_refused(scan, region, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        points_of(scan, region, None)


def test_without_a_checkpoint_there_is_no_test_region(scan):
    with pytest.raises(ValueError, match="that of a checkpoint's run; name it with region_of=CHECKPOINT"):
        points_of(scan, "test", None)


@pytest.mark.parametrize("points", [[], [-1], [0, 121]])
def test_a_checkpoint_that_names_points_outside_the_scan_is_refused(scan, points):
    with pytest.raises(ValueError, match="names test points outside the scan's 121; use region=all"):
        points_of(scan, "test", [{**stored_test(scan, [0]), "points": points}])


def test_training_points_are_stored_as_ranges_and_come_back():
    points = np.array([3, 4, 5, 9, 20, 21])
    assert ranges_of(points) == [[3, 6], [9, 10], [20, 22]]
    assert training_points(np.zeros(22), {"train": ranges_of(points)}).tolist() == points.tolist()
    with pytest.raises(ValueError, match="names training points outside the scan's 21; train it again"):
        training_points(np.zeros(21), {"train": ranges_of(points)})


def test_in_a_scan_of_the_training_the_field_between_the_outermost_tested_patches_is_scored(scan):
    points = list(range(66, 121))
    y, x = scan.positions_px[points].T
    centres = (y.min() + 8, y.max() + 8, x.min() + 8, x.max() + 8)
    assert common_rectangle(scan, "test", [stored_test(scan, points)]) == centres


def test_every_overlap_and_jitter_is_scored_on_the_same_rectangle(scan):
    described = [stored_test(scan, range(66, 121))]
    scans = [raster_of(scan, step_px, seed) for step_px in (3, 8, 11) for seed in (0, 1)]
    fields = [scan.positions_px[points_of(scan, "test", described)] for scan in scans]
    assert len({(*field.min(axis=0), *field.max(axis=0)) for field in fields}) > 1  # what the patches cover differs
    assert len({common_rectangle(scan, "test", described) for scan in scans}) == 1


def raster_of(scan, step_px, seed):
    """Return a scan of the same field with another step; only its positions are valid."""
    generator = torch.Generator().manual_seed(seed)
    raster = raster_scan((96, 96), 16, overlap_ratio=None, step_px=step_px, jitter_px=2, generator=generator)
    return dataclasses.replace(scan, positions_px=raster.positions_px.numpy(), content_hash=f"{step_px} {seed}")


def test_a_named_rectangle_is_scored_without_half_a_patch_at_each_side_that_is_long_enough(scan):
    assert common_rectangle(scan, [0, 60, 10.5, 60.5], None) == (8, 52, 19, 52)
    assert common_rectangle(scan, [0, 60, 10, 30], None) == (8, 52, 10, 30)  # as in evaluation.stitch


def test_what_is_scored_of_all_points_depends_on_the_scan(scan):
    assert common_rectangle(scan, "all", None) is None


def test_the_scored_rectangle_of_a_region_that_nothing_defines_is_refused(scan):
    with pytest.raises(ValueError, match="region=test is that of a checkpoint's run"):
        common_rectangle(scan, "test", None)
