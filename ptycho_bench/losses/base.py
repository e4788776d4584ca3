"""What all losses have in common."""

import torch
from torch import Tensor, nn

from ptycho_bench.data.sample import Prediction, Target


class Loss(nn.Module):
    """forward(pred, target) -> {"total": sum, name: weighted term, ...}.

    Args:
        amplitude_range: data range of the amplitude representation; the CLI passes it.
        phase_range: data range of one channel of the phase representation; the CLI passes it.
        circular_phase: whether the phase channels are (cos, sin); the CLI passes it.
    """

    needs_measurement = False  # whether it compares with measured patterns: `attach`, `Target.intensity`

    def __init__(self, *, amplitude_range: float, phase_range: float, circular_phase: bool) -> None:
        super().__init__()
        self.amplitude_range, self.phase_range = amplitude_range, phase_range

    def attach(self, probe: Tensor) -> None:
        """Take the probe, complex (modes, H, W), sqrt(detected photons), before training.

        Only a loss that needs the measurement uses it.
        """

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        """Named terms, weights applied."""
        raise NotImplementedError

    def forward(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        terms = self.terms(pred, target)
        return {"total": torch.stack(list(terms.values())).sum(), **terms}


def check_weights(**weights: float) -> None:
    """Raise ValueError for a negative weight."""
    for name, weight in weights.items():
        if weight < 0:
            raise ValueError(f"loss.{name} must be at least 0, got {weight}; 0 leaves the term out")
