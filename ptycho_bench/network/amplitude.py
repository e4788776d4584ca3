"""Amplitude representations: physical amplitude to a network's output and back.

Each has `data_range`, and
encode: amplitude (B, H, W) -> (B, 1, H, W), what the network should predict;
bound: a network's unbounded last layer (B, 1, H, W) -> its range;
decode: (B, 1, H, W) -> physical amplitude (B, H, W). decode(encode(amplitude)) gives the amplitude back.
"""

import torch
from torch import Tensor

from ptycho_bench.network.scaling import Scaling


class AmplitudeRepresentation:
    """What all have in common.

    Args:
        scaling: the training part's ranges; the CLI passes it.
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
    """Amplitude brought to [0, 1] by the training part's range; sigmoid."""

    def encode(self, amplitude: Tensor) -> Tensor:
        return self.scaling.scale_amplitude(amplitude).unsqueeze(1)

    def bound(self, raw: Tensor) -> Tensor:
        return torch.sigmoid(raw)

    def decode(self, channels: Tensor) -> Tensor:
        return self.scaling.unscale_amplitude(channels.squeeze(1))


class LinearAmplitude(AmplitudeRepresentation):
    """Physical amplitude, not bounded (Keras PtychoNN; PPN's draft without output constraints)."""

    def encode(self, amplitude: Tensor) -> Tensor:
        return amplitude.unsqueeze(1)

    def bound(self, raw: Tensor) -> Tensor:
        return raw

    def decode(self, channels: Tensor) -> Tensor:
        return channels.squeeze(1)


class ConstrainedAmplitude(LinearAmplitude):
    """Physical amplitude as A_max sigmoid(A / A_max): the output constraint of PPN's draft (its Eq. 13).

    Args:
        limit: largest allowable amplitude A_max, above 0.
        scaling: see `AmplitudeRepresentation`.

    Raises:
        ValueError: a limit that is not above 0.
    """

    def __init__(self, *, limit: float, scaling: Scaling) -> None:
        super().__init__(scaling=scaling)
        if not limit > 0:
            raise ValueError(f"amplitude.limit must be above 0, got {limit}; a passive specimen transmits at most 1")
        self.data_range = limit

    def bound(self, raw: Tensor) -> Tensor:
        return self.data_range * torch.sigmoid(raw / self.data_range)
