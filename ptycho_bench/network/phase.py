"""Phase representations: conversion between radians and network channels.

Each representation has `channels`, `data_range` (the range of the encoded truth in one channel), `circular` (whether
patches are averaged as unit vectors) and four methods:
encode: radians (B, H, W) -> channels (B, C, H, W), which the network is trained to predict;
bound: a network's unbounded last layer (B, C, H, W) -> channels in their range;
project: bounded channels -> channels that represent a phase, for example points on the unit circle;
decode: channels -> radians (B, H, W), the inverse of encode: exact if the phase is scaled, else modulo 2 pi.
"""

import math

import torch
from torch import Tensor

from ptycho_bench.network.scaling import Scaling
from ptycho_bench.physics.specimens.objects import wrap_phase

PROJECTION_EPS = 1e-8  # CPR Eq. 3


class PhaseRepresentation:
    """Base class of phase representations, without a projection.

    Args:
        scaling: value ranges of the training part.
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


class PiTanh(PhaseRepresentation):
    """Mixin that bounds the output as pi tanh(phi), the output constraint of PPN's draft (Eq. 13)."""

    def bound(self, raw: Tensor) -> Tensor:
        return math.pi * torch.tanh(raw)


class ScaledPhase(PhaseRepresentation):
    """Phase scaled to [0, 1] by the range of the training part, bounded by a sigmoid (PPN's convention)."""

    def encode(self, phase: Tensor) -> Tensor:
        return self.scaling.scale_phase(phase).unsqueeze(1)

    def bound(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw)

    def decode(self, channels: Tensor) -> Tensor:
        return self.scaling.unscale_phase(channels.squeeze(1))


class ScaledLinearPhase(ScaledPhase):
    """Phase scaled to [0, 1], with an unbounded network output (PPN's draft without output constraints)."""

    def bound(self, raw: Tensor) -> Tensor:
        return raw


class ScaledConstrainedPhase(PiTanh, ScaledPhase):
    """Phase scaled to [0, 1], bounded by pi tanh as in PPN's draft; the bound lies outside the range of the truth."""


class LinearPhase(PhaseRepresentation):
    """Phase in radians on [-pi, pi) with an unbounded network output (Keras PtychoNN)."""

    data_range = 2 * math.pi

    def encode(self, phase: Tensor) -> Tensor:
        return wrap_phase(phase).unsqueeze(1)

    def bound(self, raw: Tensor) -> Tensor:
        return raw

    def decode(self, channels: Tensor) -> Tensor:
        return channels.squeeze(1)


class RadianPhase(PiTanh, LinearPhase):
    """Phase in radians on [-pi, pi), bounded by pi tanh (PyTorch PtychoNN)."""


class CircularPhase(PhaseRepresentation):
    """(cos, sin) of the phase, which has no jump; bounded by tanh and projected to the unit circle (CPR, Eq. 3).

    Args:
        projected: project to the unit circle; False is CPR's ablation without output normalisation.
        scaling: value ranges of the training part.
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
        at_origin = (cosine == 0) & (sine == 0)  # atan2 has no gradient there
        return torch.atan2(sine, cosine.masked_fill(at_origin, 1.0))


class ScaledCircularPhase(CircularPhase):
    """(cos, sin) of the phase scaled to [0, 1], which covers one radian of the circle, as in CPR's released code."""

    def encode(self, phase: Tensor) -> Tensor:
        return super().encode(self.scaling.scale_phase(phase))

    def decode(self, channels: Tensor) -> Tensor:
        return self.scaling.unscale_phase(super().decode(channels))
