"""Test the scan positions and the patches under them."""

import pytest
import torch
from torch import Generator

from ptycho_bench.physics.raster import overlap_from_step, step_from_overlap
from ptycho_bench.physics.scan import cut_patches, raster_scan


def scan(*, object_px=(512, 512), probe_px=32, overlap_ratio=0.75, step_px=None, jitter_px=3, seed=0):
    return raster_scan(
        object_px,
        probe_px,
        overlap_ratio=overlap_ratio,
        step_px=step_px,
        jitter_px=jitter_px,
        generator=Generator().manual_seed(seed),
    )


def test_the_published_scan_has_61_by_61_points():
    points = scan()
    assert points.step_px == 8
    assert points.positions_px.dtype == torch.float64
    assert torch.equal(points.scan_index, torch.cartesian_prod(torch.arange(61), torch.arange(61)))


def test_jitter_is_in_whole_pixels_bounded_and_kept_inside_the_object():
    positions, index, step = scan()
    shift = positions - index * step
    assert torch.equal(positions, positions.round())
    assert set(shift.unique().tolist()) == {-3, -2, -1, 0, 1, 2, 3}
    assert positions.min() == 0
    assert positions.max() == 512 - 32


def test_without_jitter_the_scan_is_a_regular_raster_of_a_rectangular_object():
    points = scan(object_px=(40, 50), probe_px=16, overlap_ratio=None, step_px=10, jitter_px=0)
    assert points.positions_px.tolist() == [[y, x] for y in (0, 10, 20) for x in (0, 10, 20, 30)]


def test_only_the_generator_determines_the_jitter():
    state = torch.get_rng_state()
    assert torch.equal(scan(seed=4).positions_px, scan(seed=4).positions_px)
    assert not torch.equal(scan(seed=4).positions_px, scan(seed=5).positions_px)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("overlap_ratio", [-0.1, 1.0, 75])
def test_an_overlap_outside_its_range_is_refused(overlap_ratio):
    with pytest.raises(ValueError, match=rf"overlap_ratio must lie in \[0, 1\), got {overlap_ratio}"):
        scan(overlap_ratio=overlap_ratio)


@pytest.mark.parametrize("overlap_ratio", [0, 0.25, 0.5, 0.75])
def test_overlap_from_step_inverts_step_from_overlap(overlap_ratio):
    assert overlap_from_step(step_from_overlap(overlap_ratio, 32), 32) == overlap_ratio


def test_the_step_is_at_least_a_pixel():
    assert step_from_overlap(0.99, 32) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step_px": 8}, "give one of overlap_ratio and step_px, got 0.75 and 8"),
        ({"overlap_ratio": None}, "give one of overlap_ratio and step_px, got null and null"),
        ({"overlap_ratio": None, "step_px": 0}, "step_px must be a whole number of at least 1, got 0"),
        ({"overlap_ratio": None, "step_px": 2.5}, "step_px must be a whole number of at least 1, got 2.5"),
        ({"jitter_px": -1}, r"jitter_px must lie in \[0, \d+\], at most the side of the probe, got -1"),
        ({"object_px": (512, 20)}, r"\(512, 20\) px is smaller than the probe of 32 px"),
    ],
)
def test_impossible_scans_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        scan(**changes)


def test_cutting_patches_is_slicing():
    obj = torch.randn(40, 50, dtype=torch.complex64)
    positions = torch.tensor([[0, 0], [24, 38], [7, 3]], dtype=torch.float64)
    expected = torch.stack([obj[0:16, 0:12], obj[24:40, 38:50], obj[7:23, 3:15]])
    assert torch.equal(cut_patches(obj, positions, (16, 12)), expected)


@pytest.mark.parametrize("position", [(-1, 0), (0, 39), (25, 0)])
def test_patches_outside_the_object_are_refused(position):
    with pytest.raises(ValueError, match=r"allows 0\.\.\(24, 38\)"):
        cut_patches(torch.zeros(40, 50), torch.tensor([position]).double(), (16, 12))


def test_positions_between_pixels_are_refused():
    with pytest.raises(ValueError, match="whole numbers"):
        cut_patches(torch.zeros(40, 50), torch.tensor([[0.5, 1.0]], dtype=torch.float64), (16, 12))
