"""Every picture is a readable PNG whose size fits its content."""

import math

import matplotlib.image
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from ptycho_bench.evaluation.evaluate import Images
from ptycho_bench.records.pictures import (
    draw_correlation,
    draw_field,
    draw_losses,
    draw_misfit,
    draw_object,
    draw_patches,
    draw_scan,
    phase_limits,
    shared_limits,
)

RNG = np.random.default_rng(0)
DPI = 110


@pytest.fixture(autouse=True)
def no_open_figures():
    """Check that every figure is closed after it was written."""
    yield
    assert not plt.get_fignums()


def random_images(*shape: int) -> Images:
    """Random amplitude and phase."""
    return Images(*torch.from_numpy(RNG.random((2, *shape), np.float32)))


def complex_array(*shape: int) -> np.ndarray:
    """Random complex values."""
    return RNG.random(shape) + 1j * RNG.random(shape)


def read_picture(path, width_in: float, height_in: float) -> np.ndarray:
    """Return the RGB values of a PNG after checking its size and that it is not blank."""
    picture = matplotlib.image.imread(path)[..., :3]
    assert picture.shape == (round(height_in * DPI), round(width_in * DPI), 3)
    assert picture.std() > 0.05
    return picture


@pytest.mark.parametrize(("rows", "columns", "stacked"), [(40, 40, False), (60, 30, False), (10, 80, True)])
def test_the_panels_of_a_wide_field_are_stacked_and_as_wide_as_the_page(tmp_path, rows, columns, stacked):
    draw_field(tmp_path / "field.png", random_images(rows, columns), random_images(rows, columns), "two random fields")
    page = matplotlib.image.imread(tmp_path / "field.png")[..., :3]
    dark = (page < 0.1).all(axis=-1)  # the frames of the panels
    longest = max(dark[row].sum() for row in range(len(page)))
    assert (longest > 0.8 * page.shape[1]) == stacked


def test_the_picture_of_patches_grows_with_their_number(tmp_path):
    path = tmp_path / "new folder" / "patches.png"
    draw_patches(path, RNG.random((2, 8, 8)), random_images(2, 8, 8), random_images(2, 8, 8), ["best", "worst"])
    read_picture(path, 12, 2 * 4.6)


def test_the_loss_is_drawn_with_its_terms(tmp_path):
    rows = [
        {"epoch": epoch, "learning_rate": 1e-3, "seconds": 1.0}
        | {f"{part}_{term}": 1 / (epoch + 1) for part in ("train", "val") for term in ("total", "phase")}
        for epoch in range(3)
    ]
    draw_losses(tmp_path / "losses.png", rows)
    read_picture(tmp_path / "losses.png", 12, 4.2)


@pytest.mark.parametrize(("modes", "panels"), [(0, 2), (2, 3)])
def test_an_object_is_drawn_with_and_without_its_probe(tmp_path, modes, panels):
    covered = np.zeros((12, 16), bool)
    covered[2:10, 2:14] = True
    probe = complex_array(modes, 8, 8) if modes else None
    draw_object(tmp_path / "object.png", complex_array(12, 16), covered, probe, "an object")
    picture = read_picture(tmp_path / "object.png", 5.2 * panels, 4.8)
    assert picture[0, 0].min() == 1.0  # uncovered pixels and the page are white


def test_curves_are_drawn(tmp_path):
    frequency = np.linspace(0, 0.5, 9)
    draw_correlation(tmp_path / "frc.png", frequency, 1 - frequency, 0.3 + 0 * frequency)
    draw_misfit(tmp_path / "misfit.png", {"epie": [0.5, 0.2, 0.1]})
    for name in ("frc", "misfit"):
        read_picture(tmp_path / f"{name}.png", 6, 4.2)


def test_a_scan_is_drawn_with_one_panel_per_pattern_and_two_more(tmp_path):
    patterns, positions_px = RNG.poisson(5.0, (3, 8, 8)), RNG.uniform(0, 50, (20, 2))
    draw_scan(tmp_path / "scan.png", patterns, patterns.mean(axis=0), positions_px, "a scan")
    read_picture(tmp_path / "scan.png", 3.4 * 5, 3.4)


def test_amplitude_limits_are_those_of_the_truth_unless_it_is_flat():
    truth, prediction = np.array([0.5, 1.0]), np.array([0.0, 2.0])
    assert shared_limits(truth, prediction) == (0.5, 1.0)
    low, high = shared_limits(np.ones(2), prediction)
    assert low == 0.0 and high > 2.0


def test_the_true_phases_fill_half_of_the_colour_map_and_the_map_spans_one_turn_at_most():
    assert phase_limits(np.array([-0.5, 0.5])) == (-1.0, 1.0)
    low, high = phase_limits(np.array([-3.0, 3.0]))
    assert math.isclose(high - low, 2 * math.pi)
