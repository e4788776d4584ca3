"""Base classes of all losses."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ptycho_bench.data.scan import Measurement
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.noise import blend_with_mean


class Channels(NamedTuple):
    """Properties of the amplitude and phase representations that a loss compares.

    amplitude_range: data range (largest minus smallest possible value) of the encoded true amplitude.
    phase_range: data range of each channel of the encoded true phase.
    circular: whether the phase channels are (cos, sin).
    """

    amplitude_range: float
    phase_range: float
    circular: bool


class Loss(nn.Module):
    """Base class of losses; forward(pred, target) returns {"total": sum, name: weighted term, ...}.

    Args:
        channels: properties of the representations, taken from them.
    """

    needs_measurement = False  # whether it compares with measured patterns: needs `attach` and `Target.intensity`

    def __init__(self, *, channels: Channels) -> None:
        super().__init__()
        self.channels = channels

    def attach(self, measurement: Measurement) -> None:
        """Store how the scan was measured, before training; does nothing if the loss needs no measurement."""

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        """Return the weighted terms by name."""
        raise NotImplementedError

    def forward(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        terms = self.terms(pred, target)
        return {"total": torch.stack(list(terms.values())).sum(), **terms}


class HeadsLoss(Loss):
    """Base class of losses that apply the same distance to amplitude and phase."""

    name: str  # the terms are amplitude_NAME and phase_NAME

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Return the distance between two batches of images (B, C, H, W)."""
        raise NotImplementedError

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        return {
            f"amplitude_{self.name}": self.distance(pred.amplitude, target.amplitude),
            f"phase_{self.name}": self.distance(pred.phase, target.phase),
        }


class MeasuredLoss(Loss):
    """Base class of losses that compare with measured patterns."""

    needs_measurement = True
    probe: Tensor
    valid_mask: Tensor | None

    def attach(self, measurement: Measurement) -> None:
        self.register_buffer("probe", measurement.probe, persistent=False)
        self.register_buffer("valid_mask", measurement.valid_mask, persistent=False)
        self.coherence = measurement.coherence

    def predicted_pattern(self, obj_patch: Tensor, probe: Tensor) -> Tensor:
        """Return the expected intensity (B, H, W), photons, behind complex object patches (B, H, W)."""
        return diffraction_intensity(probe, blend_with_mean(obj_patch, self.coherence))
