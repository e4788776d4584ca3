"""Test the specimens: transmission, scaling, magnetic phase and the two film charts."""

import math
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from skimage.restoration import unwrap_phase
from torch.nn.functional import avg_pool2d

from ptycho_bench.physics.specimens.curved_chart import curved_chart
from ptycho_bench.physics.specimens.film import FLUX_QUANTUM_T_M2, Film, interaction_constant, magnetic_phase
from ptycho_bench.physics.specimens.ltem_chart import flux_closure, ltem_chart
from ptycho_bench.physics.specimens.objects import rescale, transmission, wrap_phase

CONF = Path(__file__).parents[3] / "conf"
FILM = {"thickness_m": 15e-9, "pixel_size_m": 4e-9, "induction_t": 1.0}


def chart(draw=ltem_chart, size_px=512, **changes):
    """Return a chart cut from the film of conf/data/ltem.yaml, with changes to the film."""
    settings = OmegaConf.create({"data": OmegaConf.load(CONF / "data" / "ltem.yaml")}).data.obj.film
    settings = OmegaConf.to_container(settings, resolve=True) | changes
    return draw(size_px=size_px, film=Film(**{k: v for k, v in settings.items() if k != "_target_"}))


def span(image):
    return (image.max() - image.min()).item()


def unwrapped_span(obj):
    return span(unwrap_phase(obj.angle().numpy()))


def test_transmission_has_the_given_modulus_and_angle():
    amplitude, phase = torch.rand(2, 5, 6) + 0.1, (torch.rand(2, 5, 6) - 0.5) * 6
    obj = transmission(amplitude, phase)
    torch.testing.assert_close(obj.abs(), amplitude)
    torch.testing.assert_close(obj.angle(), phase)


def test_a_negative_amplitude_is_refused():
    with pytest.raises(ValueError, match=r"amplitude must be >= 0, got -0\.25"):
        transmission(torch.tensor([[1.0, -0.25]]), torch.zeros(1, 2))


def test_amplitude_and_phase_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 2\)"):
        transmission(torch.ones(2, 3), torch.ones(3, 2))


def test_wrapping_keeps_the_angle_and_returns_values_from_minus_pi_to_below_pi():
    phase = torch.cat((torch.linspace(-40, 40, 100_001), torch.tensor([math.pi, -math.pi, 3 * math.pi])))
    wrapped = wrap_phase(phase)
    assert wrapped.min() >= -math.pi
    assert wrapped.max() < math.pi
    ones = torch.ones_like(phase)
    torch.testing.assert_close(torch.polar(ones, wrapped), torch.polar(ones, phase), atol=2e-5, rtol=0)


def test_published_scaling_gives_the_values_of_the_ppn_code():
    amplitude, phase = rescale(
        torch.tensor([[2.0, 3.0, 4.0]]), torch.tensor([[-math.pi, 0.0, math.pi]]), scaling="published"
    )
    torch.testing.assert_close(amplitude, torch.tensor([[0.5, 0.75, 1.0]]))
    torch.testing.assert_close(phase, torch.tensor([[0.0, -math.pi / 6, -math.pi / 3]]))


def test_wrapped_scaling_keeps_the_phase_span_and_none_changes_nothing():
    amplitude, phase = torch.tensor([[0.0, 2.0]]), torch.tensor([[0.5, 4.0]])
    scaled = rescale(amplitude, phase, scaling="wrapped")
    torch.testing.assert_close(scaled[0], torch.tensor([[0.5, 1.0]]))
    torch.testing.assert_close(scaled[1], torch.tensor([[0.5, 4.0 - 2 * math.pi]]))
    assert rescale(amplitude, phase, scaling="none") == (amplitude, phase)


def test_impossible_scalings_are_refused():
    with pytest.raises(ValueError, match="published, wrapped or none, got 'minmax'"):
        rescale(torch.rand(2, 2), torch.rand(2, 2), scaling="minmax")
    with pytest.raises(ValueError, match="amplitude is 1 everywhere"):
        rescale(torch.ones(2, 2), torch.rand(2, 2), scaling="published")


@pytest.mark.parametrize(("voltage_v", "rad_per_v_nm"), [(100e3, 0.009244), (200e3, 0.007288), (300e3, 0.006526)])
def test_the_interaction_constant_has_the_textbook_value(voltage_v, rad_per_v_nm):
    assert interaction_constant(voltage_v) * 1e-9 == pytest.approx(rad_per_v_nm, rel=1e-3)


@pytest.mark.parametrize("along_x", [True, False])
def test_the_phase_step_across_a_long_bar_is_proportional_to_its_flux(along_x):
    width_px, bar = 8, torch.zeros(2, 256, 256)
    bar[1, 124:132, 4:252] = 1.0
    magnetisation = bar if along_x else bar.flip(0).mT
    phase = magnetic_phase(magnetisation, **FILM)
    profile = phase[:, 128] if along_x else phase[128]
    flux = FILM["induction_t"] * FILM["thickness_m"] * width_px * FILM["pixel_size_m"]
    assert (profile[132] - profile[123]).abs().item() == pytest.approx(math.pi * flux / FLUX_QUANTUM_T_M2, rel=0.03)


def test_a_reversed_bar_has_the_opposite_phase():
    bar = torch.zeros(2, 64, 64)
    bar[1, 30:34, 8:56] = 1.0
    torch.testing.assert_close(magnetic_phase(-bar, **FILM), -magnetic_phase(bar, **FILM))


def test_stray_phase_does_not_wrap_around_to_the_opposite_edge():
    near = torch.zeros(2, 64, 64)
    near[1, 2:8, 16:48] = 1.0
    wide = torch.nn.functional.pad(near, (64, 64, 64, 64))
    in_wide = magnetic_phase(wide, **FILM)[64:128, 64:128]
    difference = magnetic_phase(near, **FILM) - in_wide
    assert span(difference) < 0.1 * span(in_wide)


def test_a_flux_closure_square_keeps_its_field_inside():
    closed, open_ = torch.zeros(2, 2, 128, 128)
    closed[:, 44:84, 44:84] = flux_closure(40, 40)
    open_[1, 44:84, 44:84] = 1.0
    outside = torch.ones(128, 128, dtype=torch.bool)
    outside[44:84, 44:84] = False
    phase, stray = magnetic_phase(closed, **FILM), magnetic_phase(open_, **FILM)
    assert span(phase[outside]) < 0.03 * span(phase)
    assert span(stray[outside]) > 0.3 * span(phase)


def test_the_chart_has_two_amplitudes():
    obj = chart(scaling="none", amplitude=0.7)
    levels, counts = (obj.abs() * 1e5).round().unique(return_counts=True)
    torch.testing.assert_close(levels / 1e5, torch.tensor([0.7, 1.0]))
    assert counts.min() > 0.1 * obj.numel()


@pytest.mark.parametrize(("scaling", "span_rad", "within_rad"), [("none", 4.8, 0.3), ("published", 0.8, 0.05)])
def test_the_chart_has_the_published_phase_span(scaling, span_rad, within_rad):
    assert unwrapped_span(chart(scaling=scaling)) == pytest.approx(span_rad, abs=within_rad)


@pytest.mark.parametrize("size_px", [128, 256])
def test_a_smaller_chart_has_the_same_features_on_a_smaller_film(size_px):
    large, small = chart(scaling="none"), chart(scaling="none", size_px=size_px)
    shrunk = avg_pool2d(large.abs()[None], 512 // size_px)[0]
    assert small.shape == (size_px, size_px)
    assert torch.corrcoef(torch.stack((shrunk.ravel(), small.abs().ravel())))[0, 1] > 0.8
    electrostatic = interaction_constant(3e5) * 26.0 * 14.7e-9
    assert electrostatic < unwrapped_span(small) < unwrapped_span(large)


@pytest.mark.parametrize("draw", [ltem_chart, curved_chart])
def test_impossible_charts_are_refused(draw):
    with pytest.raises(ValueError, match=r"size_px must lie in \[64, 4096\], got 63; smaller charts lose"):
        chart(draw, size_px=63)
    with pytest.raises(ValueError, match=r"amplitude must lie in \(0, 1\), got 1"):
        chart(draw, amplitude=1.0)


def test_the_wrapped_chart_has_phase_jumps_and_the_published_one_has_none():
    offset = OmegaConf.load(CONF / "data" / "ltem_wrapped.yaml").obj.film.phase_offset_rad
    corner = slice(400, None), slice(None, 130)  # the test region of split=ppn
    for scaling, jumps in (("wrapped", True), ("published", False)):
        phase = chart(scaling=scaling, phase_offset_rad=offset).angle()[corner]
        steps = torch.cat((phase.diff(dim=0).flatten(), phase.diff(dim=1).flatten())).abs()
        assert ((steps > 3.3).sum() > 400) == jumps


def test_a_phase_offset_is_a_constant_factor_of_the_object():
    rotated = chart(scaling="none", phase_offset_rad=1.0) / chart(scaling="none")
    torch.testing.assert_close(rotated.angle(), torch.ones(512, 512), atol=1e-4, rtol=0)


def test_the_curved_chart_has_two_amplitudes_and_a_phase_like_the_other_charts():
    obj = chart(curved_chart)
    levels, counts = (obj.abs() * 1e5).round().unique(return_counts=True)
    torch.testing.assert_close(levels / 1e5, torch.tensor([0.5, 1.0]))
    assert counts.min() > 0.1 * obj.numel()
    assert 0.6 < unwrapped_span(obj) < 1.0


def test_the_curved_chart_has_edges_in_all_directions():
    """Bars have edges in two directions only, so the share of slanted edges distinguishes the charts."""
    slanted = {}
    for draw in (ltem_chart, curved_chart):
        film = avg_pool2d(chart(draw).abs()[None], 4)[0]
        down, right = film.diff(dim=0)[:, 1:].abs(), film.diff(dim=1)[1:].abs()
        edge = down + right > 0.05
        slanted[draw] = (torch.minimum(down, right)[edge] > 0.2 * torch.maximum(down, right)[edge]).float().mean()
    assert slanted[curved_chart] > 3 * slanted[ltem_chart]


def test_a_smaller_curved_chart_has_the_same_features():
    large, small = chart(curved_chart), chart(curved_chart, size_px=256)
    shrunk = avg_pool2d(large.abs()[None], 2)[0]
    assert torch.corrcoef(torch.stack((shrunk.ravel(), small.abs().ravel())))[0, 1] > 0.9
