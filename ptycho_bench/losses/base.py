"""What all losses have in common."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ptycho_bench.data.scan import Measurement
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.physics.forward import diffraction_intensity
from ptycho_bench.physics.noise import blend_with_mean


class Channels(NamedTuple):
    """What a loss knows of the representations it compares.

    amplitude_range: data range of the amplitude.
    phase_range: data range of one channel of the phase.
    circular: whether the phase's channels are (cos, sin).
    """

    amplitude_range: float
    phase_range: float
    circular: bool


class Loss(nn.Module):
    """forward(pred, target) -> {"total": sum, name: weighted term, ...}.

    Args:
        channels: of the representations; the CLI passes them.
    """

    needs_measurement = False  # whether it compares with measured patterns: `attach`, `Target.intensity`

    def __init__(self, *, channels: Channels) -> None:
        super().__init__()
        self.channels = channels

    def attach(self, measurement: Measurement) -> None:
        """Take how the scan was measured, before training; a loss that needs no measurement does nothing."""

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        """Named terms, weights applied."""
        raise NotImplementedError

    def forward(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        terms = self.terms(pred, target)
        return {"total": torch.stack(list(terms.values())).sum(), **terms}


class HeadsLoss(Loss):
    """One distance, taken of amplitude and of phase alike."""

    name: str  # of the terms: amplitude_NAME, phase_NAME

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Distance of two batches of images (B, C, H, W)."""
        raise NotImplementedError

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        return {
            f"amplitude_{self.name}": self.distance(pred.amplitude, target.amplitude),
            f"phase_{self.name}": self.distance(pred.phase, target.phase),
        }


class MeasuredLoss(Loss):
    """A loss that compares with measured patterns."""

    needs_measurement = True
    probe: Tensor
    valid_mask: Tensor | None

    def attach(self, measurement: Measurement) -> None:
        self.register_buffer("probe", measurement.probe, persistent=False)
        self.register_buffer("valid_mask", measurement.valid_mask, persistent=False)
        self.coherence = measurement.coherence

    def predicted_pattern(self, obj_patch: Tensor, probe: Tensor) -> Tensor:
        """Expected counts (B, H, W) behind complex patches (B, H, W)."""
        return diffraction_intensity(probe, blend_with_mean(obj_patch, self.coherence))


def check_weights(**weights: float) -> None:
    """Raise ValueError for a negative weight."""
    for name, weight in weights.items():
        if weight < 0:
            raise ValueError(f"loss.{name} must be at least 0, got {weight}; 0 leaves the term out")
