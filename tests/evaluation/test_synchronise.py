"""Angular synchronisation: true patches with wrong constant phases are aligned with each other."""

import math

import numpy as np
import pytest
import torch
from torch import Generator

from ptycho_bench.evaluation.images import Images
from ptycho_bench.evaluation.stitch import Stitching, radial_weight
from ptycho_bench.evaluation.synchronise import neighbour_pairs, phase_corrections
from ptycho_bench.physics.scan import cut_patches, raster_scan
from ptycho_bench.physics.specimens.objects import wrap_phase

SYNCHRONISED = Stitching(weight="radial", central_px=None, synchronised=True, step_px=None)
SIDE = 16


def scanned(rows=60, columns=75, *, step_px=5, jitter_px=2):
    """Return a complex field, the patches under a scan of it, and their positions."""
    generator = Generator().manual_seed(1)
    amplitude, phase = 0.5 + 0.5 * torch.rand(2, rows, columns, generator=generator)
    obj = torch.polar(amplitude, 5 * phase - 3)
    positions = raster_scan(
        (rows, columns), SIDE, overlap_ratio=None, step_px=step_px, jitter_px=jitter_px, generator=generator
    ).positions_px
    return obj, cut_patches(obj, positions, (SIDE, SIDE)), positions


def constants(count, size=math.pi):
    return size * (2 * torch.rand(count, generator=Generator().manual_seed(2)) - 1)


def wrong_by(offsets, patches):
    return patches * torch.polar(torch.ones(len(patches)), offsets)[:, None, None]


def spread(phases):
    """Return the largest difference between phases and their mean on the circle, radians."""
    phasor = torch.polar(torch.ones(len(phases)), phases)
    return (phasor * phasor.sum().conj()).angle().abs().max().item()


@pytest.mark.parametrize(("step_px", "jitter_px"), [(3, 0), (5, 2), (12, 1)])
def test_random_constants_are_removed_up_to_one(step_px, jitter_px):
    _, patches, positions = scanned(step_px=step_px, jitter_px=jitter_px)
    offsets = constants(len(patches))
    corrections = phase_corrections(wrong_by(offsets, patches), positions, radial_weight(SIDE))
    assert spread(offsets) > 1
    assert spread(offsets + corrections) < 1e-4


def test_hundreds_of_patches_are_aligned_group_by_group():
    _, patches, positions = scanned(170, 190, step_px=6)
    assert len(patches) > 700
    offsets = constants(len(patches))
    corrections = phase_corrections(wrong_by(offsets, patches), positions, radial_weight(SIDE))
    assert spread(offsets + corrections) < 1e-4


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_few_patches_are_aligned(count):
    _, patches, positions = scanned()
    offsets = constants(count)
    corrections = phase_corrections(wrong_by(offsets, patches[:count]), positions[:count], radial_weight(SIDE))
    assert spread(offsets + corrections) < 1e-4


def test_nothing_is_changed_if_nothing_is_wrong():
    _, patches, positions = scanned()
    assert phase_corrections(patches, positions, radial_weight(SIDE)).abs().max() < 1e-5


def test_the_mean_of_the_corrections_is_zero():
    _, patches, positions = scanned()
    corrections = phase_corrections(wrong_by(constants(len(patches), 0.6), patches), positions, radial_weight(SIDE))
    power = (radial_weight(SIDE) * patches.abs().square()).sum(dim=(-2, -1))
    assert (power * torch.polar(torch.ones(len(patches)), corrections)).sum().angle().abs() < 1e-5


def test_parts_without_a_common_overlap_are_aligned_separately():
    _, patches, positions = scanned()
    both, apart = torch.cat((patches, patches)), torch.cat((positions, positions + 500))
    offsets = constants(len(both))
    corrections = phase_corrections(wrong_by(offsets, both), apart, radial_weight(SIDE))
    first, second = (offsets + corrections).split(len(patches))
    assert spread(first) < 1e-4 and spread(second) < 1e-4
    alone = phase_corrections(wrong_by(offsets[: len(patches)], patches), positions, radial_weight(SIDE))
    torch.testing.assert_close(corrections[: len(patches)], alone, atol=1e-4, rtol=0)


def test_a_patch_without_power_is_left_alone():
    _, patches, positions = scanned()
    patches[7] = 0
    offsets = constants(len(patches))
    corrections = phase_corrections(wrong_by(offsets, patches), positions, radial_weight(SIDE))
    assert corrections[7] == 0
    others = torch.arange(len(patches)) != 7
    assert spread((offsets + corrections)[others]) < 1e-4


def test_noise_is_averaged_over_many_overlaps():
    _, patches, positions = scanned(step_px=4)
    offsets = constants(len(patches))
    noise = torch.randn(patches.shape, dtype=torch.complex64, generator=Generator().manual_seed(3))
    corrections = phase_corrections(wrong_by(offsets, patches + 0.5 * noise), positions, radial_weight(SIDE))
    assert spread(offsets + corrections) < 0.3


def test_dense_scan_lines_are_compared_with_each_other():
    y, x = np.meshgrid(np.arange(0, 40, 8), np.arange(100), indexing="ij")
    corners = np.stack((y, x), axis=-1).reshape(-1, 2)
    pairs = neighbour_pairs(corners, np.array([SIDE, SIDE]))
    lines = pairs // 100
    assert {tuple(pair) for pair in lines.tolist()} >= {(k, k + 1) for k in range(4)}
    assert (np.abs(corners[pairs[:, 0]] - corners[pairs[:, 1]]) < SIDE).all()


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("weight", [{}, {"weight": "central", "central_px": 6}], ids=["radial", "central"])
def test_patches_with_wrong_constants_are_stitched_to_the_true_field(circular, weight):
    obj, patches, positions = scanned()
    wrong = wrong_by(constants(len(patches)), patches)
    stitching = Stitching(**(vars(SYNCHRONISED) | weight))
    (amplitude, phase), covered = stitching.stitch_prediction(
        Images(wrong.abs(), wrong.angle()), positions, circular=circular
    )
    top, left = positions.amin(0).long().tolist()
    truth = obj[top : top + len(amplitude), left : left + amplitude.shape[1]]
    torch.testing.assert_close(amplitude[covered], truth.abs()[covered])
    difference = wrap_phase(phase - truth.angle())[covered]
    assert spread(difference) < 1e-4
    plain = Stitching(**(vars(stitching) | {"synchronised": False}))
    unaligned = plain.stitch_prediction(Images(wrong.abs(), wrong.angle()), positions, circular=True).images.phase
    assert spread(wrap_phase(unaligned - truth.angle())[covered]) > 1


def test_the_true_field_does_not_depend_on_synchronisation():
    _, patches, positions = scanned()
    truth = Images(patches.abs(), patches.angle())
    plain = Stitching(**(vars(SYNCHRONISED) | {"synchronised": False}))
    expected = plain.stitch_truth(truth, positions, circular=True)
    torch.testing.assert_close(SYNCHRONISED.stitch_truth(truth, positions, circular=False), expected)
