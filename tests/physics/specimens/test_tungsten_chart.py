"""Test the etched tungsten film: optical constants, levels, features and reproducibility."""

import math
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from ptycho_bench.physics.specimens.tungsten_chart import (
    LETTERS,
    bar,
    disc,
    etch_feature,
    letter,
    ring,
    tungsten_chart,
    tungsten_index,
)

CONF = Path(__file__).parents[3] / "conf" / "data" / "aps26id_sim.yaml"


def settings(**changes):
    """Arguments from conf/data/aps26id_sim.yaml, with changes."""
    node = OmegaConf.to_container(OmegaConf.create({"data": OmegaConf.load(CONF)}).data.obj, resolve=True)
    return {key: value for key, value in node.items() if key != "_target_"} | changes


@pytest.fixture(scope="module")
def chart():
    return tungsten_chart(**settings())


def grid(side):
    coordinate = torch.arange(side) + 0.5 - side / 2
    return coordinate[:, None], coordinate[None, :]


def area(shape, extent, narrowest=2.0, varied=(0.0, 0.0)):
    """Area of a feature, px; pixels on its edge count partly."""
    return (0.5 - shape(*grid(128), extent, narrowest, list(varied))).clamp(0, 1).sum().item()


@pytest.mark.parametrize(
    ("energy_ev", "f1", "f2", "delta", "beta"),
    [(8000.0, 69.0242, 5.8241, 4.70082e-5, 3.96645e-6), (8800.0, 68.0599, 5.0042, 3.83070e-5, 2.81660e-6)],
)
def test_the_refractive_index_of_tungsten_agrees_with_independent_code(energy_ev, f1, f2, delta, beta):
    """The expected values come from periodictable 2.1 (Henke's tables, 19.3 g/cm3)."""
    assert tungsten_index(energy_ev=energy_ev, f1=f1, f2=f2) == pytest.approx((delta, beta), rel=1e-3)


def test_the_chart_covers_the_26_id_scan(chart):
    assert chart.shape == (64 + 160 * 3, 64 + 160 * 3)
    assert chart.dtype == torch.complex64


def test_the_phase_has_the_range_of_the_measured_labels_and_does_not_wrap(chart):
    phase = chart.angle()
    assert phase.min() == pytest.approx(-1.56, abs=0.02)
    assert phase.max() == pytest.approx(3.13, abs=0.01)
    assert phase.max() - phase.min() > math.pi


def test_unetched_partly_and_fully_etched_film_give_three_levels_of_phase_and_modulus(chart):
    delta, beta = tungsten_index(energy_ev=8800.0, f1=68.06, f2=5.004)
    covered = 0
    for remaining in (0.0, 0.5, 1.0):  # of the thickness
        shift = -2 * math.pi * delta * 2.75e-6 * remaining / 1.4089e-10
        level = (chart.angle() - (3.13 + shift)).abs() < 1e-3
        assert level.float().mean() > 0.1
        modulus = math.exp(shift * beta / delta)
        torch.testing.assert_close(chart.abs()[level].mean().item(), modulus, atol=1e-4, rtol=0)
        covered += level.sum()
    assert covered > 0.8 * chart.numel()  # the remaining pixels are on edges


def test_the_requested_fraction_of_the_field_is_etched(chart):
    assert (chart.abs() > chart.abs().min() + 1e-5).float().mean() == pytest.approx(0.45, abs=0.01)
    sparse = tungsten_chart(**settings(etched_fraction=0.1))
    assert (sparse.abs() > sparse.abs().min() + 1e-5).float().mean() == pytest.approx(0.1, abs=0.01)


def test_only_the_seed_determines_the_features():
    small = settings(size_px=96, largest_m=200e-9)
    state = torch.get_rng_state()
    charts = [tungsten_chart(**small | {"seed": seed}) for seed in (0, 0, 1)]
    assert torch.equal(charts[0], charts[1])
    assert not torch.equal(charts[0], charts[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_features_of_all_sizes_cover_the_field(chart):
    etched = (chart.abs() > chart.abs().min() + 1e-5).float()
    blocks = torch.nn.functional.avg_pool2d(etched[None], 68)[0]
    assert 0.1 < blocks.min() < blocks.max() < 0.9
    spectrum = torch.fft.fft2(etched - etched.mean()).abs().square()
    radius = torch.hypot(*torch.meshgrid(*(torch.fft.fftfreq(544),) * 2, indexing="ij"))
    bands = [spectrum[(radius > low) & (radius <= 2 * low)].sum() for low in (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4)]
    assert min(bands) > 0.02 * spectrum.sum()


def test_features_have_the_expected_area():
    assert area(disc, 40) == pytest.approx(math.pi * 20**2, rel=0.01)
    assert area(ring, 50) == pytest.approx(math.pi * (25**2 - 21**2), rel=0.02)
    assert area(bar, 50) == pytest.approx(50 * 5, rel=0.01)
    assert area(bar, 50, varied=(0.5, 0)) == pytest.approx(50 * 15, rel=0.01)
    letter_l = list(LETTERS).index("L") / len(LETTERS) + 0.01
    assert area(letter, 44, narrowest=4.4, varied=(0.0, letter_l)) == pytest.approx(4.4 * (44 + 0.6 * 39.6), rel=0.02)


@pytest.mark.parametrize("shape", [bar, disc, ring, letter])
@pytest.mark.parametrize("extent", [2.0, 9.0, 50.0])
def test_features_stay_within_their_extent_and_do_not_vanish(shape, extent):
    for varied in ((0.0, 0.0), (0.99, 0.5), (0.5, 0.99)):
        inside = shape(*grid(128), extent, 2.0, list(varied)) < 0
        y, x = inside.nonzero().T
        assert max(y.max() - y.min(), x.max() - x.min()) + 1 <= max(extent, 2) + 1
        assert inside.sum() >= 3


def test_a_feature_at_the_border_is_cut_off_and_does_not_wrap_around():
    depth = torch.zeros(64, 64)
    etch_feature(depth, [0.0, 0.5, 1.0, 0.0, 0.3, 0.0, 0.0, 0.0], extents_px=(2.0, 20.0), partial_depth=0.5)
    assert depth[0].any()
    assert not depth[20:].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"partial_depth": 0.0}, r"partial_depth must lie in \(0, 1\], got 0\.0; 50 % is written 0\.5"),
        ({"etched_fraction": 0.95}, r"etched_fraction must lie in \(0, 0\.9\], got 0\.95"),
        ({"smallest_m": 5e-9}, r"between a pixel, 1e-08 m, and the field, 5\.44e-06 m, got 5e-09 and 5e-07"),
        ({"largest_m": 6e-6}, "got 2e-08 and 6e-06"),
        ({"smallest_m": 600e-9}, "got 6e-07 and 5e-07"),
    ],
)
def test_an_impossible_film_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tungsten_chart(**settings(**changes))
