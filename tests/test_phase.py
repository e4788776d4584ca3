"""Every phase representation of conf/phase: exact round trip, bounded channels, finite gradients."""

import math
from pathlib import Path

import hydra
import pytest
import torch
from omegaconf import OmegaConf

from ptycho_bench.data.scaling import Scaling
from ptycho_bench.phase import CircularPhase, RadianPhase, ScaledPhase
from ptycho_bench.physics.objects import wrap_phase

FILES = sorted((Path(__file__).parents[1] / "conf" / "phase").glob("*.yaml"))
SCALING = Scaling(amplitude_low=0.0, amplitude_high=1.0, phase_low=-2.5, phase_high=2.0, intensity_max=1.0)


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def phase(request):
    return hydra.utils.instantiate(OmegaConf.load(request.param), _partial_=True)(scaling=SCALING)


def raw_output(phase):
    return 4 * torch.randn(8, phase.channels, 64, 64, generator=torch.Generator().manual_seed(0))


def training_phase():
    return torch.linspace(-2.5, 2.0, 8 * 64 * 64).reshape(8, 64, 64)


def test_decoding_gives_the_encoded_phase_back(phase):
    channels = phase.encode(training_phase())
    assert channels.shape == (8, phase.channels, 64, 64)
    torch.testing.assert_close(phase.decode(channels), training_phase(), atol=1e-5, rtol=0)


def test_activated_channels_stay_within_the_data_range(phase):
    for raw in (raw_output(phase), torch.full((1, phase.channels, 4, 4), 1e4)):
        channels = phase.activate(raw)
        assert channels.shape == raw.shape
        assert phase.decode(channels).isfinite().all()
    extent = phase.activate(raw_output(phase))
    assert extent.max() - extent.min() <= phase.data_range + 1e-5


def test_activated_channels_reach_every_encoded_phase(phase):
    encoded, reached = phase.encode(training_phase()), phase.activate(raw_output(phase))
    assert (reached.amin((0, 2, 3)) <= encoded.amin((0, 2, 3)) + 1e-3).all()
    assert (reached.amax((0, 2, 3)) >= encoded.amax((0, 2, 3)) - 1e-3).all()


@pytest.mark.parametrize("value", [0.0, 30.0, -30.0])
def test_activation_has_finite_gradients_at_zero_and_in_saturation(phase, value):
    raw = torch.full((2, phase.channels, 4, 4), value, requires_grad=True)
    phase.activate(raw).sum().backward()
    assert raw.grad.isfinite().all()


def test_circular_channels_lie_on_the_unit_circle():
    circular = CircularPhase(scaling=SCALING)
    for channels in (circular.activate(raw_output(circular)), circular.encode(training_phase())):
        torch.testing.assert_close(channels.square().sum(1), torch.ones(8, 64, 64), atol=1e-3, rtol=0)


def test_circular_channels_have_no_jump_at_the_branch_cut():
    below, above = torch.tensor([[[math.pi - 1e-3]]]), torch.tensor([[[1e-3 - math.pi]]])
    circular = CircularPhase(scaling=SCALING)
    assert (circular.encode(below) - circular.encode(above)).abs().max() < 3e-3
    assert (circular.decode(circular.encode(below)) - below).abs() < 1e-5


def test_radians_come_back_wrapped():
    radians, phase = RadianPhase(scaling=SCALING), torch.linspace(-9, 9, 101).reshape(1, 1, 101)
    torch.testing.assert_close(radians.decode(radians.encode(phase)), wrap_phase(phase))
    assert radians.activate(torch.tensor(1e4)) == pytest.approx(math.pi)


def test_scaled_phase_spans_zero_to_one_over_the_training_range():
    encoded = ScaledPhase(scaling=SCALING).encode(training_phase())
    assert encoded.min().item() == pytest.approx(0, abs=1e-6)
    assert encoded.max().item() == pytest.approx(1, abs=1e-6)
