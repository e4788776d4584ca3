"""Phase representations: radians to network channels and back.

Each has `channels`, `data_range` (of one channel), `circular` (average patches as unit vectors), and
encode: radians (B, H, W) -> channels (B, C, H, W), what the network should predict;
activate: a network's unbounded last layer (B, C, H, W) -> channels in their range;
decode: channels -> radians (B, H, W). decode(encode(phase)) gives the phase back.
"""

import math

import torch
from torch import Tensor

from ptycho_bench.data.scaling import Scaling
from ptycho_bench.physics.objects import wrap_phase


class ScaledPhase:
    """Phase brought to [0, 1] by the training part's range; sigmoid (PPN's convention)."""

    channels = 1
    data_range = 1.0
    circular = False

    def __init__(self, *, scaling: Scaling) -> None:
        self.scaling = scaling

    def encode(self, phase: Tensor) -> Tensor:
        return self.scaling.scale_phase(phase).unsqueeze(1)

    def activate(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw)

    def decode(self, channels: Tensor) -> Tensor:
        return self.scaling.unscale_phase(channels.squeeze(1))


class RadianPhase:
    """Phase in radians on [-pi, pi); pi tanh (PtychoNN's convention)."""

    channels = 1
    data_range = 2 * math.pi
    circular = False

    def __init__(self, *, scaling: Scaling) -> None:
        pass

    def encode(self, phase: Tensor) -> Tensor:
        return wrap_phase(phase).unsqueeze(1)

    def activate(self, raw: Tensor) -> Tensor:
        return math.pi * torch.tanh(raw)

    def decode(self, channels: Tensor) -> Tensor:
        return channels.squeeze(1)


class CircularPhase:
    """(cos, sin) of the phase in radians: no jump anywhere; tanh, then projected to the unit circle (CPR, Eq. 3)."""

    channels = 2
    data_range = 2.0
    circular = True

    def __init__(self, *, scaling: Scaling) -> None:
        pass

    def encode(self, phase: Tensor) -> Tensor:
        return torch.stack((phase.cos(), phase.sin()), dim=1)

    def activate(self, raw: Tensor) -> Tensor:
        bounded = torch.tanh(raw)
        return bounded / (bounded.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()

    def decode(self, channels: Tensor) -> Tensor:
        return torch.atan2(channels[:, 1], channels[:, 0])
