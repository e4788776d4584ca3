"""Test the mosaic of random objects: values, kinds, independence and reproducibility."""

import math

import pytest
import torch
from torch import Generator

from ptycho_bench.config.build import build
from ptycho_bench.physics.specimens import random_patterns
from ptycho_bench.physics.specimens.curved_chart import distance_to_line
from ptycho_bench.physics.specimens.many_objects import many_objects
from ptycho_bench.physics.specimens.random_patterns import PATTERNS, Draw
from tests.conftest import composed

SIDE = 32


def settings(**changes):
    """Arguments from conf/data/many.yaml for 8 x 8 objects of 32 px, with changes."""
    node = composed("data=many")["data"]["obj"]
    small = {"size_px": 8 * SIDE, "object_px": SIDE}
    return {key: value for key, value in node.items() if key != "_target_"} | small | changes


@pytest.fixture(scope="module")
def field():
    return many_objects(**settings())


def tiles(field, side=SIDE):
    """Cut a field into its objects, (N, side, side)."""
    return field.unfold(0, side, side).unfold(1, side, side).flatten(0, 1)


def span(images):
    return images.flatten(1).amax(dim=1) - images.flatten(1).amin(dim=1)


def pattern(kind, side=64, seed=0):
    return PATTERNS[kind](side, Draw(Generator().manual_seed(seed)))


def test_the_default_field_has_64_objects_and_the_size_of_the_default_chart():
    data = composed("data=many")["data"]
    assert (data["obj"]["size_px"], data["obj"]["object_px"]) == (512, 64)
    ltem = composed("data=ltem")["data"]
    assert data["obj"]["size_px"] == ltem["obj"]["size_px"]
    assert data["probe"] == ltem["probe"]
    assert all(data[key] == ltem[key] for key in ("photons", "overlap_ratio", "step_px", "jitter_px"))


def test_the_seed_of_the_data_set_is_that_of_the_objects():
    words = ("data=many", "data.seed=7", "data.obj.size_px=64", "data.obj.object_px=32")
    obj = build(composed(*words)["data"]["obj"])
    assert torch.equal(obj, many_objects(**settings(size_px=64, seed=7)))


def test_only_the_seed_determines_the_objects(field):
    state = torch.get_rng_state()
    torch.manual_seed(11)
    assert torch.equal(many_objects(**settings()), field)
    assert not torch.equal(many_objects(**settings(seed=1)), field)
    torch.set_rng_state(state)
    many_objects(**settings(size_px=64))
    assert torch.equal(torch.get_rng_state(), state)


def test_amplitude_and_phase_stay_in_their_ranges_and_use_them(field):
    assert field.dtype == torch.complex64 and field.shape == (256, 256)
    amplitude, phase = tiles(field.abs()), tiles(field.angle())
    assert amplitude.min() >= 0.3 - 1e-6 and amplitude.max() <= 1 + 1e-6
    assert amplitude.min() < 0.35 and amplitude.max() > 0.95
    assert span(amplitude).min() >= 0.2 - 1e-6
    spans = span(phase)
    assert spans.min() >= 0.2 - 1e-5 and spans.max() <= 6 + 1e-5
    assert spans.min() < 0.3 and spans.max() > 4
    assert spans.median() == pytest.approx(math.sqrt(0.2 * 6), rel=0.4)  # uniform on a logarithmic scale


def test_the_phase_of_each_object_is_centred_at_0(field):
    phase = tiles(field.angle()).flatten(1)
    torch.testing.assert_close(phase.amin(dim=1), -phase.amax(dim=1), atol=1e-5, rtol=0)


def test_every_kind_occurs_among_the_objects(monkeypatch):
    drawn = []
    for kind, draw_pattern in list(PATTERNS.items()):
        monkeypatch.setitem(PATTERNS, kind, lambda *args, kind=kind, of=draw_pattern: drawn.append(kind) or of(*args))
    many_objects(**settings())
    assert 64 < len(drawn) < 128  # a shared pattern is drawn once
    assert min(drawn.count(kind) for kind in PATTERNS) >= 5


@pytest.mark.parametrize(("fraction", "expected"), [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5)])
def test_amplitude_and_phase_share_a_pattern_as_often_as_asked(fraction, expected):
    field = many_objects(**settings(shared_fraction=fraction))
    pairs = zip(tiles(field.abs()).flatten(1), tiles(field.angle()).flatten(1), strict=True)
    related = [torch.corrcoef(torch.stack(pair))[0, 1].abs().item() > 0.99 for pair in pairs]
    assert sum(related) / 64 == pytest.approx(expected, abs=0.2 if 0 < fraction < 1 else 0)


def test_no_two_objects_are_alike(field):
    amplitude = tiles(field.abs()).flatten(1)
    related = torch.corrcoef(amplitude).abs() - torch.eye(64)
    assert related.max() < 0.8


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_pattern_is_finite_and_varies_at_every_size_and_seed(kind):
    for side, seed in ((32, 0), (32, 1), (33, 2), (64, 3), (64, 4)):
        image = pattern(kind, side, seed)
        assert image.shape == (side, side) and image.isfinite().all()
        assert image.max() - image.min() > 0.3
    assert not torch.equal(pattern(kind, seed=0), pattern(kind, seed=1))


@pytest.mark.parametrize("kind", ["bars", "curves", "text", "thresholded_field"])
def test_drawn_patterns_have_few_levels_and_soft_edges(kind):
    image = pattern(kind)
    values, counts = image.mul(1000).round().unique(return_counts=True)
    assert counts.sort(descending=True).values[:6].sum() > 0.6 * image.numel()
    assert len(values) > 20


def test_a_smooth_field_has_no_edges_and_a_thresholded_one_has():
    slopes = []
    for kind in ("smooth_field", "thresholded_field"):
        images = torch.stack([pattern(kind, seed=seed) for seed in range(8)])
        images /= span(images)[:, None, None]
        slopes.append(torch.stack(torch.gradient(images, dim=(1, 2))).abs().amax(dim=(0, 2, 3)))
    assert slopes[0].max() < slopes[1].min()


def test_bars_have_many_angles():
    """The strongest gradient of a bar is across it; over many groups all directions occur."""
    angles = []
    for seed in range(20):
        y, x = torch.gradient(pattern("bars", seed=seed))
        strongest = torch.hypot(y, x).flatten().topk(200).indices
        angles.append(torch.atan2(y.flatten()[strongest], x.flatten()[strongest]) % math.pi)
    counts = torch.cat(angles).histc(6, 0, math.pi)
    assert counts.min() > 0.02 * counts.sum()


def test_glyphs_are_complete_although_each_is_painted_only_near_its_place():
    side, draw = 48, Draw(Generator().manual_seed(4))
    height = draw.log_uniform(side / 6, side / 2)
    pen, angle = height * draw.uniform(0.09, 0.18), draw.uniform(0, 2 * math.pi)
    pixels = random_patterns.rotated(random_patterns.centred_pixels(side), -angle)
    outside = torch.full((side * side,), 99.0)
    for top in torch.arange(-0.7 * side, 0.7 * side, 1.4 * height).tolist():
        for left in torch.arange(-0.7 * side, 0.7 * side, 0.9 * height).tolist():
            for stroke in random_patterns.glyph(draw):
                points = height * stroke + torch.tensor([top, left])
                outside = torch.minimum(outside, distance_to_line(pixels, points)[0] - pen / 2)
    expected = (0.5 - outside).clamp(0, 1).view(side, side)
    torch.testing.assert_close(pattern("text", side, 4), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"object_px": 16}, r"object_px must lie in \[32, 4096\], got 16"),
        ({"size_px": 100}, "size_px must be a multiple of object_px, 32, got 100"),
        ({"size_px": 0}, r"size_px must lie in \[32, 4096\], got 0"),
        ({"smallest_amplitude": 0.0}, r"smallest_amplitude must lie in \(0, 0\.8\], got 0\.0"),
        ({"smallest_amplitude": 0.9}, r"smallest_amplitude must lie in \(0, 0\.8\], got 0\.9"),
        ({"phase_span_rad": [0.0, 6.0]}, r"phase_span_rad .* smaller one first, got \[0\.0, 6\.0\]"),
        ({"phase_span_rad": [2.0, 1.0]}, r"got \[2\.0, 1\.0\]"),
        ({"phase_span_rad": [0.2, 6.5]}, r"between 0 and 2 pi.*got \[0\.2, 6\.5\]; a larger one would wrap"),
        ({"shared_fraction": 50}, r"shared_fraction must lie in \[0, 1\], got 50; 50 % is written 0\.5"),
    ],
)
def test_impossible_mosaics_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        many_objects(**settings(**changes))
