"""Amplitude representations: conversion between physical amplitude and a network's output.

Each representation has a `data_range`, the range of the encoded truth, and three methods:
encode: physical amplitude (B, H, W) -> (B, 1, H, W), which the network is trained to predict;
bound: a network's unbounded last layer (B, 1, H, W) -> the representation's range;
decode: (B, 1, H, W) -> physical amplitude (B, H, W), the inverse of encode.
"""

from typing import Annotated

import torch
from torch import Tensor

from ptycho_bench.network.scaling import Scaling
from ptycho_bench.physics.bounds import Interval, bounded


class AmplitudeRepresentation:
    """Base class of amplitude representations.

    Args:
        scaling: value ranges of the training part.
    """

    data_range = 1.0

    def __init__(self, *, scaling: Scaling) -> None:
        self.scaling = scaling

    def encode(self, amplitude: Tensor) -> Tensor:
        raise NotImplementedError

    def bound(self, raw: Tensor) -> Tensor:
        raise NotImplementedError

    def decode(self, channels: Tensor) -> Tensor:
        raise NotImplementedError


class ScaledAmplitude(AmplitudeRepresentation):
    """Amplitude scaled to [0, 1] by the range of the training part, bounded by a sigmoid."""

    def encode(self, amplitude: Tensor) -> Tensor:
        return self.scaling.scale_amplitude(amplitude).unsqueeze(1)

    def bound(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw)

    def decode(self, channels: Tensor) -> Tensor:
        return self.scaling.unscale_amplitude(channels.squeeze(1))


class ScaledLinearAmplitude(ScaledAmplitude):
    """Amplitude scaled to [0, 1], with an unbounded network output (PPN's draft without output constraints)."""

    def bound(self, raw: Tensor) -> Tensor:
        return raw


class LinearAmplitude(AmplitudeRepresentation):
    """Physical amplitude, with an unbounded network output (Keras PtychoNN)."""

    def encode(self, amplitude: Tensor) -> Tensor:
        return amplitude.unsqueeze(1)

    def bound(self, raw: Tensor) -> Tensor:
        return raw

    def decode(self, channels: Tensor) -> Tensor:
        return channels.squeeze(1)


class OutputLimit(AmplitudeRepresentation):
    """Mixin that bounds the output as A_max sigmoid(A / A_max), the output constraint of PPN's draft (Eq. 13).

    Args:
        limit: largest allowable output A_max, above 0.
        scaling: value ranges of the training part.

    Raises:
        ValueError: If the limit is not above 0.
    """

    @bounded
    def __init__(
        self,
        *,
        limit: Annotated[float, Interval("(0, 1e6]", "passive and scaled objects need 1")],
        scaling: Scaling,
    ) -> None:
        super().__init__(scaling=scaling)
        self.data_range = limit

    def bound(self, raw: Tensor) -> Tensor:
        return self.data_range * torch.sigmoid(raw / self.data_range)


class ConstrainedAmplitude(OutputLimit, LinearAmplitude):
    """Physical amplitude with the output constraint of PPN's draft, see `OutputLimit`."""


class ScaledConstrainedAmplitude(OutputLimit, ScaledAmplitude):
    """Amplitude scaled to [0, 1] with the output constraint of PPN's draft, see `OutputLimit`.

    This is what the draft does: it scales amplitude and phase to [0, 1] before training (section IV-A2).
    """
