"""Input transforms: counts to network input."""

import pytest
import torch

from ptycho_bench.config.build import build
from ptycho_bench.network.scaling import Scaling
from tests.conftest import composed, options

MEAN = torch.linspace(0, 3, 64).view(8, 8)
SCALING = Scaling(
    amplitude_low=0.0, amplitude_high=1.0, phase_low=-1.0, phase_high=1.0, intensity_max=400.0, intensity_p995=10.0,
    log1p_mean=MEAN, log1p_deviation=0.5,
)  # fmt: skip


def transform(option, *words, scaling=SCALING):
    return build(composed(f"input={option}", *words)["input"], scaling=scaling)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("log1p", [0.0, 4.6151205, 5.9939614, 7.3783837]),
        ("counts", [0.0, 100.0, 400.0, 1600.0]),
        ("intensity", [0.0, 0.25, 1.0, 4.0]),
        ("sqrt", [0.0, 0.5, 1.0, 2.0]),
        ("sqrt_pattern", [0.0, 0.25, 0.5, 1.0]),
    ],
)
def test_each_input_transforms_counts_as_documented(option, expected):
    seen = transform(option)(torch.tensor([[[0.0, 100.0, 400.0, 1600.0]]]))
    torch.testing.assert_close(seen, torch.tensor([[[expected]]]))


def test_dual_gain_clips_at_saturation_and_keeps_the_raw_pattern():
    seen = transform("dual_gain")(torch.tensor([[[0.0, 0.1, 10.0, 400.0]]]))
    first = 4095 * 0.85 / 10
    ratio = 2 ** (4 - 0.001)
    torch.testing.assert_close(seen[0, 0, 0], torch.tensor([0.0, 0.1 * first, 4095 * 0.85, 4095.0]))
    torch.testing.assert_close(seen[0, 1, 0], torch.tensor([0.0, 0.1 * first * ratio, 4095.0, 4095.0]))
    torch.testing.assert_close(seen[0, 2, 0], torch.tensor([0.0, 0.00025, 0.025, 1.0]))


@pytest.mark.parametrize(("option", "channels"), [("single_gain", 2), ("dual_gain", 3), ("three_gain", 4)])
def test_gains_rise_and_the_raw_pattern_comes_last(option, channels):
    made = transform(option)
    assert made.channels == channels
    seen = made(torch.tensor([[[0.1]]]))[0, :, 0, 0]
    assert seen[:-1].tolist() == sorted(seen[:-1].tolist())
    assert seen[-1].item() == pytest.approx(0.1 / 400)


def test_a_standardised_pattern_is_its_deviation_from_the_mean_pattern():
    seen = transform("log1p_standardised")(torch.expm1(torch.stack((MEAN, MEAN + 0.5, 2 * MEAN))))
    torch.testing.assert_close(seen[0, 0], torch.zeros(8, 8))
    torch.testing.assert_close(seen[1, 0], torch.ones(8, 8), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[2, 0], 2 * MEAN, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("option", options("input"))
@pytest.mark.parametrize("neighbours", [0, 1])
def test_every_input_is_finite_has_its_channels_and_keeps_empty_patterns_at_zero(option, neighbours):
    made = transform(option, f"input.neighbours={neighbours}")
    counts = torch.rand(3, 8, 8) * 400
    counts[0] = 0
    seen = made(counts)
    assert seen.shape == (3, made.channels, 8, 8)
    assert made.in_channels == made.channels * (9 if neighbours else 1)
    assert seen.isfinite().all()
    assert not seen[0].any()


@pytest.mark.parametrize(
    ("option", "word", "message"),
    [
        ("log1p", "input.neighbours=-1", r"neighbours must lie in \[0, 5\], got -1; 1 is a 3 x 3 neighbourhood"),
        ("dual_gain", "input.gains=[]", r"one or more rising exponents, got \[\]"),
        ("dual_gain", "input.gains=[4,0.001]", "one or more rising exponents, got"),
        ("dual_gain", "input.headroom=0", r"headroom must lie in \(0, 1\], got 0; CPR uses 0.85"),
        ("dual_gain", "input.base=1", r"base must lie in \(1, 1000\], got 1; CPR uses 2"),
        ("dual_gain", "input.threshold=0", r"threshold must lie in \(0, 1e12\], got 0; a 12-bit detector"),
    ],
)
def test_an_impossible_input_is_refused(option, word, message):
    with pytest.raises(ValueError, match=message):
        transform(option, word)


def test_gains_are_refused_if_nearly_all_pixels_are_dark():
    dark = Scaling(**{**vars(SCALING), "intensity_p995": 0.0})
    with pytest.raises(
        ValueError, match=r"dual_gain needs counts in more than 0\.5 % of the pixels, .*use input=log1p"
    ):
        transform("dual_gain", scaling=dark)
