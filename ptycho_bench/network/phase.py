"""Phase representations: radians to network channels and back.

Each has `channels`, `data_range` (of one channel), `circular` (average patches as unit vectors), and
encode: radians (B, H, W) -> channels (B, C, H, W), what the network should predict;
bound: a network's unbounded last layer (B, C, H, W) -> channels in their range;
project: bounded channels -> those that stand for a phase, as points of the unit circle;
decode: channels -> radians (B, H, W). decode(encode(phase)) gives the phase back; modulo 2 pi, but for `scaled`.
"""

import math

import torch
from torch import Tensor

from ptycho_bench.network.scaling import Scaling
from ptycho_bench.physics.specimens.objects import wrap_phase

PROJECTION_EPS = 1e-8  # CPR Eq. 3


class PhaseRepresentation:
    """What all have in common; its channels need no projection.

    Args:
        scaling: the training part's ranges; the CLI passes it.
    """

    channels = 1
    data_range = 1.0
    circular = False

    def __init__(self, *, scaling: Scaling) -> None:
        self.scaling = scaling

    def encode(self, phase: Tensor) -> Tensor:
        raise NotImplementedError

    def bound(self, raw: Tensor) -> Tensor:
        raise NotImplementedError

    def project(self, bounded: Tensor) -> Tensor:
        return bounded

    def decode(self, channels: Tensor) -> Tensor:
        raise NotImplementedError


class ScaledPhase(PhaseRepresentation):
    """Phase brought to [0, 1] by the training part's range; sigmoid (PPN's convention)."""

    def encode(self, phase: Tensor) -> Tensor:
        return self.scaling.scale_phase(phase).unsqueeze(1)

    def bound(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw)

    def decode(self, channels: Tensor) -> Tensor:
        return self.scaling.unscale_phase(channels.squeeze(1))


class LinearPhase(PhaseRepresentation):
    """Phase in radians on [-pi, pi), the network's output not bounded (Keras PtychoNN)."""

    data_range = 2 * math.pi

    def encode(self, phase: Tensor) -> Tensor:
        return wrap_phase(phase).unsqueeze(1)

    def bound(self, raw: Tensor) -> Tensor:
        return raw

    def decode(self, channels: Tensor) -> Tensor:
        return channels.squeeze(1)


class RadianPhase(LinearPhase):
    """Phase in radians on [-pi, pi); pi tanh (PyTorch PtychoNN, PPN's draft)."""

    def bound(self, raw: Tensor) -> Tensor:
        return math.pi * torch.tanh(raw)


class CircularPhase(PhaseRepresentation):
    """(cos, sin) of the phase in radians: no jump anywhere; tanh, then projected to the unit circle (CPR, Eq. 3).

    Args:
        projected: project to the unit circle; False is CPR's ablation without output normalisation.
        scaling: the training part's ranges; the CLI passes it.
    """

    channels = 2
    data_range = 2.0
    circular = True

    def __init__(self, *, projected: bool, scaling: Scaling) -> None:
        super().__init__(scaling=scaling)
        self.projected = projected

    def encode(self, phase: Tensor) -> Tensor:
        return torch.stack((phase.cos(), phase.sin()), dim=1)

    def bound(self, raw: Tensor) -> Tensor:
        return torch.tanh(raw)

    def project(self, bounded: Tensor) -> Tensor:
        if not self.projected:
            return bounded
        return bounded / (bounded.square().sum(dim=1, keepdim=True) + PROJECTION_EPS).sqrt()

    def decode(self, channels: Tensor) -> Tensor:
        cosine, sine = channels.unbind(dim=1)
        nowhere = (cosine == 0) & (sine == 0)  # atan2 has no gradient there
        return torch.atan2(sine, cosine.masked_fill(nowhere, 1.0))


class ScaledCircularPhase(CircularPhase):
    """(cos, sin) of the phase brought to [0, 1], which are less than one radian apart: as CPR's code was released."""

    def encode(self, phase: Tensor) -> Tensor:
        return super().encode(self.scaling.scale_phase(phase))

    def decode(self, channels: Tensor) -> Tensor:
        return self.scaling.unscale_phase(super().decode(channels))
