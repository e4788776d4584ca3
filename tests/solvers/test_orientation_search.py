"""Test the eight orientations of scan positions and the search for the one that fits the patterns."""

import numpy as np
import pytest
import torch
from torch import Generator

from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.orientation import ORIENTATIONS, orient
from ptycho_bench.physics.probe import scale_to_photons
from ptycho_bench.physics.scan import cut_patches, raster_scan
from ptycho_bench.solvers.orientation_search import best_orientations, central_points, compare_orientations

INVERSE = {name: name for name in ORIENTATIONS} | {
    "swap_flip_rows": "swap_flip_columns",
    "swap_flip_columns": "swap_flip_rows",
}
TWIN = {
    "as_is": "flip_both",
    "flip_rows": "flip_columns",
    "swap": "swap_flip_both",
    "swap_flip_rows": "swap_flip_columns",
}
TWIN |= {twin: name for name, twin in TWIN.items()}
SHORT = {"points": 36, "iterations": 6, "seed": 0}


def spot(y, x, width):
    coordinate = torch.arange(16) - 8.0
    return torch.exp(-((coordinate[:, None] - y) ** 2 + (coordinate - x) ** 2) / (2 * width**2))


@pytest.fixture(scope="module")
def symmetric_probe():
    """A real probe with inversion symmetry."""
    return scale_to_photons(spot(0, 0, 2.0).to(torch.complex64), 1e5)


@pytest.fixture(scope="module")
def asymmetric_probe():
    """Two spots of different widths and phases, away from the centre."""
    return scale_to_photons(spot(-1, -2, 1.5) + 0.7j * spot(3, 1, 2.0), 1e5)


@pytest.fixture
def scan(tiny_object):
    """scan(probe) -> patterns (as a callable) and true positions, on a rectangular field."""

    def make(probe):
        obj = tiny_object[:, :80]
        generator = Generator().manual_seed(0)
        positions, _, _ = raster_scan(
            tuple(obj.shape), 16, overlap_ratio=None, step_px=3, jitter_px=1, generator=generator
        )
        photons = torch.poisson(
            diffraction_intensity(probe, cut_patches(obj, positions, (16, 16))), generator=generator
        )
        return lambda points: photons[points], positions

    return make


def misoriented(positions, name):
    """Return positions that become the true ones when they are oriented by name."""
    return torch.from_numpy(orient(positions.numpy(), INVERSE[name]))


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_an_orientation_and_its_inverse_restore_the_positions(name):
    positions = np.random.default_rng(0).random((50, 2)) * (90, 40)
    oriented = orient(positions, name)
    np.testing.assert_array_equal(oriented.min(axis=0), 0)
    np.testing.assert_allclose(orient(oriented, INVERSE[name]), positions - positions.min(axis=0))


def test_the_eight_orientations_differ_and_match_their_names():
    positions = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 5.0]])
    assert len({orient(positions, name).tobytes() for name in ORIENTATIONS}) == 8
    np.testing.assert_array_equal(orient(positions, "as_is"), positions)
    np.testing.assert_array_equal(orient(positions, "flip_rows"), [[3, 0], [0, 0], [0, 5]])
    np.testing.assert_array_equal(orient(positions, "flip_columns"), [[0, 5], [3, 5], [3, 0]])
    np.testing.assert_array_equal(orient(positions, "swap"), [[0, 0], [0, 3], [5, 3]])
    np.testing.assert_array_equal(orient(positions, "swap_flip_rows"), [[5, 0], [5, 3], [0, 3]])


def test_an_unknown_orientation_is_refused():
    with pytest.raises(ValueError, match=r"orientation must be one of as_is, flip_rows, .* got 'upside_down'"):
        orient(np.zeros((2, 2)), "upside_down")


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_each_wrong_orientation_is_identified(scan, asymmetric_probe, name):
    patterns, positions = scan(asymmetric_probe)
    misfits = compare_orientations(patterns, misoriented(positions, name), asymmetric_probe, **SHORT)
    assert set(misfits) == set(ORIENTATIONS)
    assert best_orientations(misfits, tolerance=0.3) == [name]


@pytest.mark.parametrize("name", ["as_is", "swap_flip_rows"])
@pytest.mark.parametrize("refine_probe", [False, True])
def test_a_symmetric_probe_does_not_distinguish_the_twin(scan, symmetric_probe, name, refine_probe):
    patterns, positions = scan(symmetric_probe)
    wrong = misoriented(positions, name)
    misfits = compare_orientations(patterns, wrong, symmetric_probe, refine_probe=refine_probe, **SHORT)
    assert set(best_orientations(misfits, tolerance=0.1)) == {name, TWIN[name]}


def test_bad_pixels_do_not_affect_the_result(scan, asymmetric_probe):
    patterns, positions = scan(asymmetric_probe)
    valid_mask = torch.ones(16, 16, dtype=torch.bool)
    valid_mask[2, 3] = valid_mask[10, 4] = False
    hot = torch.zeros(16, 16).masked_fill(~valid_mask, 1e7)
    wrong = misoriented(positions, "flip_rows")
    misfits = compare_orientations(
        lambda index: patterns(index) + hot, wrong, asymmetric_probe, valid_mask=valid_mask, **SHORT
    )
    assert best_orientations(misfits, tolerance=0.3) == ["flip_rows"]


def test_the_points_nearest_to_the_centre_are_used():
    positions = torch.cartesian_prod(torch.arange(7.0), torch.arange(9.0)).double()
    chosen = central_points(positions, 9)
    assert set(map(tuple, positions[chosen].int().tolist())) == {(y, x) for y in (2, 3, 4) for x in (3, 4, 5)}
    assert central_points(positions, 1000).tolist() == list(range(63))


def test_best_orientations_lists_ties_best_first():
    misfits = {"as_is": 0.3, "flip_both": 0.2, "swap": 0.205, "flip_rows": 0.9}
    assert best_orientations(misfits, tolerance=0.05) == ["flip_both", "swap"]
    assert best_orientations(misfits, tolerance=0) == ["flip_both"]
    with pytest.raises(ValueError, match="tolerance must be at least 0, got -1"):
        best_orientations(misfits, tolerance=-1)


def test_too_few_points_are_refused(asymmetric_probe):
    with pytest.raises(ValueError, match=r"needs at least 4 scan points, got 3; raise points"):
        compare_orientations(torch.zeros, torch.rand(9, 2), asymmetric_probe, **SHORT | {"points": 3})
