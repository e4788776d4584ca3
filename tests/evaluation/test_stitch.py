"""Stitching: true patches reproduce the object."""

import math

import pytest
import torch
from torch import Generator

from ptycho_bench.evaluation.canvas import Canvas
from ptycho_bench.evaluation.images import Images
from ptycho_bench.evaluation.stitch import (
    Stitching,
    central_weight,
    radial_weight,
    scored_rectangle,
    scored_window,
    stitch,
    stitch_phase,
)
from ptycho_bench.physics.scan import cut_patches, raster_scan
from ptycho_bench.physics.specimens.objects import wrap_phase

WEIGHTS = {"radial": radial_weight(16), "central": central_weight(16, 8)}


def random(*shape):
    return torch.rand(shape, generator=Generator().manual_seed(1))


def scanned(image, *, step_px, jitter_px):
    positions = raster_scan(
        tuple(image.shape),
        16,
        overlap_ratio=None,
        step_px=step_px,
        jitter_px=jitter_px,
        generator=Generator().manual_seed(0),
    ).positions_px
    top, left = positions.amin(0).long().tolist()
    bottom, right = (positions.amax(0).long() + 16).tolist()
    return cut_patches(image, positions, (16, 16)), positions, image[top:bottom, left:right]


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize(("step_px", "jitter_px"), [(4, 0), (4, 2), (20, 3)])
def test_true_patches_are_stitched_to_the_object(weight, step_px, jitter_px):
    patches, positions, truth = scanned(random(60, 75), step_px=step_px, jitter_px=jitter_px)
    field, covered = stitch(patches, positions, weight)
    assert field.shape == truth.shape
    assert torch.equal(field[covered], truth[covered])
    assert torch.equal(field[~covered], torch.zeros_like(field[~covered]))


def test_stitching_in_chunks_changes_nothing():
    patches, positions, _ = scanned(random(60, 75), step_px=4, jitter_px=2)
    patches = patches + random(len(patches), 1, 1)
    at_once, _ = stitch(patches, positions, WEIGHTS["radial"])
    canvas = Canvas(positions, WEIGHTS["radial"], chunk_px=7)
    canvas.add(positions, values=patches)
    torch.testing.assert_close(canvas.field("values").float(), at_once)


def test_overlapping_patches_are_averaged_by_weight():
    weight = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    field, _ = stitch(torch.tensor([[[1.0, 2.0]], [[6.0, 8.0]]]), torch.tensor([[5.0, 9.0], [5.0, 10.0]]), weight)
    torch.testing.assert_close(field, torch.tensor([[1.0, (3 * 2 + 1 * 6) / 4, 8.0]]))


def test_gaps_between_patches_are_not_covered():
    positions = torch.tensor([[3.0, 2.0], [3.0, 22.0]])
    field, covered = stitch(torch.ones(2, 16, 16), positions, WEIGHTS["radial"])
    expected = torch.ones(16, 36, dtype=torch.bool)
    expected[:, 16:20] = False
    assert torch.equal(covered, expected)
    assert torch.equal(field, expected.float())


def test_the_central_weight_covers_only_the_central_square():
    _, covered = stitch(torch.ones(1, 16, 16), torch.zeros(1, 2), central_weight(16, 8))
    expected = torch.zeros(16, 16, dtype=torch.bool)
    expected[4:12, 4:12] = True
    assert torch.equal(covered, expected)


@pytest.mark.parametrize("side", [16, 17])
def test_the_radial_weight_decreases_from_1_at_the_centre_and_stays_above_0(side):
    weight, half = radial_weight(side), side // 2
    assert weight[half, half] == 1
    assert weight.min() > 0
    expected = (1 - 3 / math.hypot(half, half)) ** 2
    assert weight[half, half + 3] == pytest.approx(expected)
    assert (weight[half, half:].diff() < 0).all()


@pytest.mark.parametrize("central_px", [0, 17])
def test_an_impossible_central_square_is_rejected(central_px):
    with pytest.raises(ValueError, match=rf"central_px must lie in \[1, 16\], got {central_px}"):
        central_weight(16, central_px)


def test_circular_stitching_averages_across_the_branch_cut():
    patches = torch.stack((torch.full((16, 16), math.pi - 0.1), torch.full((16, 16), 0.1 - math.pi)))
    circular, _ = stitch_phase(patches, torch.zeros(2, 2), WEIGHTS["radial"], circular=True)
    scalar, _ = stitch_phase(patches, torch.zeros(2, 2), WEIGHTS["radial"], circular=False)
    torch.testing.assert_close(circular.abs(), torch.full((16, 16), math.pi), atol=1e-5, rtol=0)
    torch.testing.assert_close(scalar, torch.zeros(16, 16), atol=1e-5, rtol=0)


def test_true_phases_are_stitched_across_the_branch_cut():
    truth = wrap_phase(torch.linspace(-9, 9, 60)[:, None] + torch.linspace(0, 3, 75))
    patches, positions, truth = scanned(truth, step_px=4, jitter_px=2)
    field, covered = stitch_phase(patches, positions, WEIGHTS["radial"], circular=True)
    assert covered.float().mean() > 0.9
    assert wrap_phase(field - truth)[covered].abs().max() < 1e-5


def test_the_scored_rectangle_lies_between_the_outermost_patch_centres():
    assert scored_rectangle((100, 120), 16, 11) == (slice(8, 92), slice(8, 112))


def test_an_axis_that_is_too_short_for_a_margin_is_scored_whole():
    assert scored_rectangle((26, 27), 16, 11) == (slice(0, 26), slice(8, 19))


def test_a_rectangle_of_the_object_is_scored_where_the_field_has_it():
    positions = torch.tensor([[10.0, 20.0], [60.4, 90.0]])
    assert scored_window(positions, 16, 11, None) == (slice(8, 58), slice(8, 78))
    assert scored_window(positions, 16, 11, (30, 50, 0, 60)) == (slice(20, 40), slice(0, 40))
    assert scored_window(positions, 16, 11, (30, 35, 25, 300)) == (slice(8, 58), slice(5, 86))


STITCHING = {"weight": "radial", "central_px": None, "synchronised": False, "step_px": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": "mean"}, "stitch.weight must be radial or central, got 'mean'"),
        ({"weight": "central"}, "stitch.central_px must be set if stitch.weight is central, got null"),
        ({"step_px": 0}, "stitch.step_px must be at least 1 px, got 0; null uses the true positions"),
    ],
)
def test_impossible_choices_are_rejected(changes, message):
    with pytest.raises(ValueError, match=message):
        Stitching(**STITCHING | changes)


def test_a_central_square_larger_than_the_patch_is_rejected():
    with pytest.raises(ValueError, match=r"central_px must lie in \[1, 16\], got 18"):
        Stitching(**STITCHING | {"weight": "central", "central_px": 18}).check(16)


def test_a_raster_takes_the_place_of_the_positions():
    positions, index = torch.tensor([[3.0, 2.0], [10.0, 11.0]]), torch.tensor([[4, 5], [5, 6]])
    assert Stitching(**STITCHING).places(positions, index) is positions
    assert Stitching(**STITCHING | {"step_px": 9}).places(positions, index).tolist() == [[36, 45], [45, 54]]


def test_a_circular_prediction_is_averaged_on_the_circle():
    angles = torch.tensor([math.pi - 0.1, 0.1 - math.pi])[:, None, None].expand(2, 16, 16)
    images, places = Images(torch.ones(2, 16, 16), angles), torch.zeros(2, 2)
    circular = Stitching(**STITCHING).stitch_prediction(images, places, circular=True)
    scalar = Stitching(**STITCHING).stitch_prediction(images, places, circular=False)
    assert circular.images.phase.abs().min() > 3.1 and scalar.images.phase.abs().max() < 1e-5
    assert circular.covered.all()
