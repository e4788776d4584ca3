"""The one place that names the fields of a training sample and of a prediction, with shapes and units."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Target(NamedTuple):
    """What a loss compares a prediction with.

    amplitude: (B, 1, H, W), encoded truth.
    phase: (B, C, H, W), encoded truth.
    intensity: (B, H, W), photons, as measured; None unless the loss asks for it.
    scan: int64 (B,), which of several scans each sample is of; None: there is one.
    """

    amplitude: Tensor
    phase: Tensor
    intensity: Tensor | None = None
    scan: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Target":
        """Every tensor there is, changed."""
        return Target(*(None if part is None else change(part) for part in self))


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A network's output as a loss sees it.

    Args:
        amplitude: (B, 1, H, W), bounded.
        phase: (B, C, H, W), bounded channels of the phase representation.
        unprojected: (B, C, H, W), the same before they were projected to where phases lie, as the unit circle.
        decode: amplitude and phase channels to physical amplitude and phase (B, H, W), radians.
    """

    amplitude: Tensor
    phase: Tensor
    unprojected: Tensor
    decode: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

    def obj_patch(self) -> Tensor:
        """Complex (B, H, W) transmission function, which a forward model takes."""
        amplitude, phase = self.decode(self.amplitude, self.phase)
        return torch.complex(amplitude * phase.cos(), amplitude * phase.sin())  # polar's gradient needs amplitude > 0


class PtychoSample(NamedTuple):
    """One batch of training samples.

    network_input: (B, C, H, W), diffraction after the input transform.
    target: what is to be predicted.
    weight: share of this batch in the loss; 1 unless processes hold unequal parts of one batch.
    """

    network_input: Tensor
    target: Target
    weight: float
