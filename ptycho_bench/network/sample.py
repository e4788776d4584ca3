"""Fields of a training sample and of a prediction, with shapes and units."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Target(NamedTuple):
    """Values that a loss compares a prediction with.

    amplitude: (B, 1, H, W), encoded truth.
    phase: (B, C, H, W), encoded truth.
    intensity: (B, H, W), measured photons; None unless the loss needs them.
    scan: int64 (B,), index of each sample's scan; None if there is only one scan.
    """

    amplitude: Tensor
    phase: Tensor
    intensity: Tensor | None = None
    scan: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Target":
        """Apply a function to every tensor that is not None."""
        return Target(*(None if part is None else change(part) for part in self))


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Output of a network in the form that a loss compares.

    Args:
        amplitude: (B, 1, H, W), bounded.
        phase: (B, C, H, W), bounded and projected channels of the phase representation.
        unprojected: (B, C, H, W), the same channels before their projection, for example to the unit circle.
        decode: converts amplitude and phase channels to physical amplitude and phase (radians), each (B, H, W).
    """

    amplitude: Tensor
    phase: Tensor
    unprojected: Tensor
    decode: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

    def obj_patch(self) -> Tensor:
        """Complex (B, H, W) transmission function, as a forward model takes it."""
        amplitude, phase = self.decode(self.amplitude, self.phase)
        # the gradient of torch.polar needs an amplitude above 0
        return torch.complex(amplitude * phase.cos(), amplitude * phase.sin())


class PtychoSample(NamedTuple):
    """One batch of training samples.

    network_input: (B, C, H, W), diffraction patterns after the input transform.
    target: values to predict.
    weight: weight of this batch in the loss; 1 unless several processes have unequal shares of one batch, and 0 if this
        process has no share.
    """

    network_input: Tensor
    target: Target
    weight: float
