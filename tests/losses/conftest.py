"""Predictions, targets and a probe for tests of losses, without a model."""

import math
from collections.abc import Callable

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from ptycho_bench.config.build import build
from ptycho_bench.config.network import build_loss
from ptycho_bench.data.scan import Measurement
from ptycho_bench.losses.base import Loss
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.probe import scale_to_photons
from tests.conftest import option

SIDE = 16
SCALING = Scaling(
    amplitude_low=0.0,
    amplitude_high=1.0,
    phase_low=-math.pi,
    phase_high=math.pi,
    intensity_max=1e3,
    intensity_p995=1e2,
)


def represented(phase: str, amplitude: str = "scaled") -> PtychoNetwork:
    """Return a network whose model is the identity."""
    return PtychoNetwork(
        model=nn.Identity(),
        input_transform=build(option("input", "log1p"), scaling=SCALING),
        amplitude=build(option("amplitude", amplitude), scaling=SCALING),
        phase=build(option("phase", phase), scaling=SCALING),
        scaling=SCALING,
    )


def make_loss(loss: str, phase: str, *words: str, amplitude: str = "scaled") -> Loss:
    """Return a loss of conf/loss that is attached to the probe; words are overrides as on the command line."""
    changes = OmegaConf.to_container(OmegaConf.from_dotlist(list(words))).get("loss", {})
    made = build_loss({**option("loss", loss), **changes}, option("amplitude", amplitude), option("phase", phase))
    made.attach(Measurement(illumination(), 1.0, None))
    return made


def illumination() -> Tensor:
    """Return a probe of two modes, complex (2, SIDE, SIDE), 1e4 photons."""
    draw = torch.Generator().manual_seed(7)
    return scale_to_photons(torch.randn(2, SIDE, SIDE, dtype=torch.complex64, generator=draw), 1e4)


def random_patches(count: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return amplitudes in [0.2, 0.9] and phases in [-2.8, 2.8], each (count, SIDE, SIDE)."""
    draw = torch.Generator().manual_seed(seed)
    return (
        0.2 + 0.7 * torch.rand(count, SIDE, SIDE, generator=draw),
        5.6 * (torch.rand(count, SIDE, SIDE, generator=draw) - 0.5),
    )


def pattern(amplitude: Tensor, phase: Tensor) -> Tensor:
    return diffraction_intensity(illumination(), torch.polar(amplitude, phase))


def exact(network: PtychoNetwork, target: Target) -> Prediction:
    """Return a prediction that equals the target."""
    return Prediction(amplitude=target.amplitude, phase=target.phase, unprojected=target.phase, decode=network.decode)


@pytest.fixture
def raw() -> Callable[[int], tuple[Tensor, Tensor]]:
    """Return a function raw(phase_channels) that returns unbounded outputs of a model, with gradients."""
    draw = torch.Generator().manual_seed(1)

    def make(channels: int) -> tuple[Tensor, Tensor]:
        return tuple(torch.randn(3, c, SIDE, SIDE, generator=draw).requires_grad_() for c in (1, channels))

    return make
