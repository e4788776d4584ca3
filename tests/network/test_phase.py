"""Every phase and amplitude representation in conf/: exact round trip, bounded channels, finite gradients."""

import dataclasses
import math

import pytest
import torch

from ptycho_bench.config.build import build
from ptycho_bench.network.amplitude import ConstrainedAmplitude, ScaledConstrainedAmplitude
from ptycho_bench.network.phase import (
    CircularPhase,
    RadianPhase,
    ScaledCircularPhase,
    ScaledConstrainedPhase,
    ScaledPhase,
)
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.physics.specimens.objects import wrap_phase
from tests.conftest import composed, options

UNBOUNDED = ("LinearPhase", "ScaledLinearPhase")
WIDER_THAN_THE_TRUTH = {"ScaledConstrainedPhase": 2 * math.pi}  # the draft bounds values in [0, 1] by -pi and pi
SCALING = Scaling(
    amplitude_low=0.0, amplitude_high=1.0, phase_low=-2.5, phase_high=2.0, intensity_max=1.0, intensity_p995=0.5
)


def built(group, option):
    return build(composed(f"{group}={option}")[group], scaling=SCALING)


@pytest.fixture(params=options("phase"))
def phase(request):
    return built("phase", request.param)


@pytest.fixture(params=options("amplitude"))
def amplitude(request):
    return built("amplitude", request.param)


def activate(phase, raw):
    return phase.project(phase.bound(raw))


def raw_output(phase):
    return 4 * torch.randn(8, phase.channels, 64, 64, generator=torch.Generator().manual_seed(0))


def training_phase():
    return torch.linspace(-2.5, 2.0, 8 * 64 * 64).reshape(8, 64, 64)


def test_decoding_inverts_encoding(phase):
    channels = phase.encode(training_phase())
    assert channels.shape == (8, phase.channels, 64, 64)
    torch.testing.assert_close(phase.decode(channels), training_phase(), atol=1e-5, rtol=0)


def test_activated_channels_stay_within_the_data_range(phase):
    for raw in (raw_output(phase), torch.full((1, phase.channels, 4, 4), 1e4)):
        channels = activate(phase, raw)
        assert channels.shape == raw.shape
        assert phase.decode(channels).isfinite().all()
    extent = activate(phase, raw_output(phase))
    if type(phase).__name__ in UNBOUNDED:
        assert torch.equal(extent, raw_output(phase))
        return
    bound = WIDER_THAN_THE_TRUTH.get(type(phase).__name__, phase.data_range)
    assert extent.max() - extent.min() <= bound + 1e-5


def test_activated_channels_reach_every_encoded_phase(phase):
    encoded, reached = phase.encode(training_phase()), activate(phase, raw_output(phase))
    assert (reached.amin((0, 2, 3)) <= encoded.amin((0, 2, 3)) + 1e-3).all()
    assert (reached.amax((0, 2, 3)) >= encoded.amax((0, 2, 3)) - 1e-3).all()


@pytest.mark.parametrize("value", [0.0, 30.0, -30.0])
def test_activation_has_finite_gradients_at_zero_and_in_saturation(phase, value):
    raw = torch.full((2, phase.channels, 4, 4), value, requires_grad=True)
    activate(phase, raw).sum().backward()
    assert raw.grad.isfinite().all()


def test_circular_channels_lie_on_the_unit_circle():
    circular = CircularPhase(projected=True, scaling=SCALING)
    for channels in (activate(circular, raw_output(circular)), circular.encode(training_phase())):
        torch.testing.assert_close(channels.square().sum(1), torch.ones(8, 64, 64), atol=1e-3, rtol=0)


def test_circular_channels_have_no_jump_at_the_branch_cut():
    below, above = torch.tensor([[[math.pi - 1e-3]]]), torch.tensor([[[1e-3 - math.pi]]])
    circular = CircularPhase(projected=True, scaling=SCALING)
    assert (circular.encode(below) - circular.encode(above)).abs().max() < 3e-3
    assert (circular.decode(circular.encode(below)) - below).abs() < 1e-5


def test_decoded_radians_are_wrapped():
    radians, phase = RadianPhase(scaling=SCALING), torch.linspace(-9, 9, 101).reshape(1, 1, 101)
    torch.testing.assert_close(radians.decode(radians.encode(phase)), wrap_phase(phase))
    assert radians.bound(torch.tensor(1e4)) == pytest.approx(math.pi)


def test_scaled_phase_spans_zero_to_one_over_the_training_range():
    encoded = ScaledPhase(scaling=SCALING).encode(training_phase())
    assert encoded.min().item() == pytest.approx(0, abs=1e-6)
    assert encoded.max().item() == pytest.approx(1, abs=1e-6)


def test_without_projection_circular_channels_stay_within_the_square_and_decode_to_the_same_phase():
    free, circular = (CircularPhase(projected=projected, scaling=SCALING) for projected in (False, True))
    raw = raw_output(free)
    torch.testing.assert_close(activate(free, raw), raw.tanh())
    torch.testing.assert_close(free.decode(activate(free, raw)), circular.decode(activate(circular, raw)))


def test_scaled_circular_channels_encode_the_phase_scaled_to_zero_to_one():
    encoded = ScaledCircularPhase(projected=True, scaling=SCALING).encode(training_phase())
    assert encoded[:, 0].min().item() == pytest.approx(math.cos(1), abs=1e-5)
    assert encoded[:, 1].max().item() == pytest.approx(math.sin(1), abs=1e-5)


def test_channels_at_the_origin_decode_with_a_finite_gradient():
    channels = torch.zeros(1, 2, 4, 4, requires_grad=True)
    angle = CircularPhase(projected=True, scaling=SCALING).decode(channels)
    angle.sum().backward()
    assert torch.equal(angle, torch.zeros(1, 4, 4))
    assert channels.grad.isfinite().all()


def test_decoding_inverts_encoding_of_amplitude_and_its_range_is_reached(amplitude):
    true = torch.linspace(0.05, 0.95, 4 * 64).reshape(4, 8, 8)
    encoded = amplitude.encode(true)
    assert encoded.shape == (4, 1, 8, 8)
    torch.testing.assert_close(amplitude.decode(encoded), true)
    reached = amplitude.bound(torch.linspace(-20, 20, 256).reshape(4, 1, 8, 8))
    assert reached.min() <= encoded.min()
    assert reached.max() >= encoded.max()


@pytest.mark.parametrize("constrained", [ConstrainedAmplitude, ScaledConstrainedAmplitude])
def test_a_constrained_amplitude_follows_the_draft_and_never_exceeds_its_limit(constrained):
    representation = constrained(limit=2.0, scaling=SCALING)
    raw = torch.linspace(-30, 30, 64).reshape(1, 1, 8, 8)
    torch.testing.assert_close(representation.bound(raw), 2 / (1 + torch.exp(-raw / 2)))
    assert representation.bound(torch.tensor(1e4)) <= 2
    with pytest.raises(ValueError, match=r"limit must lie in \(0, 1e6\], got 0"):
        constrained(limit=0, scaling=SCALING)


def test_the_constraints_of_the_draft_act_on_values_scaled_by_the_training_range():
    scaling = dataclasses.replace(SCALING, amplitude_low=0.5, amplitude_high=1.0)
    raw = torch.linspace(-3, 3, 64).reshape(1, 1, 8, 8)
    amplitude = ScaledConstrainedAmplitude(limit=1.0, scaling=scaling)
    torch.testing.assert_close(amplitude.decode(amplitude.bound(raw)), 0.5 + 0.5 * raw[:, 0].sigmoid())
    phase = ScaledConstrainedPhase(scaling=scaling)
    torch.testing.assert_close(phase.decode(phase.bound(raw)), -2.5 + 4.5 * math.pi * raw[:, 0].tanh())
    assert phase.encode(training_phase()).max().item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("group", ["amplitude", "phase"])
def test_the_unbounded_representation_of_scaled_values_returns_the_raw_output(group):
    raw = torch.linspace(-30, 30, 64).reshape(1, 1, 8, 8)
    linear, scaled = built(group, "scaled_linear"), built(group, "scaled")
    assert torch.equal(linear.bound(raw), raw)
    assert torch.equal(linear.decode(raw), scaled.decode(raw))
