"""Losses that compare pixel by pixel, amplitude and phase alike: MSE, MAE, Huber."""

from torch import Tensor
from torch.nn import functional as F

from ptycho_bench.data.sample import Prediction, Target
from ptycho_bench.losses.base import Loss


class MSELoss(Loss):
    """Mean squared error of amplitude plus that of phase (PPN Eq. 12)."""

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        return {
            "amplitude_mse": F.mse_loss(pred.amplitude, target.amplitude),
            "phase_mse": F.mse_loss(pred.phase, target.phase),
        }


class MAELoss(Loss):
    """Mean absolute error of amplitude plus that of phase (PtychoNN, W-Net)."""

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        return {
            "amplitude_mae": F.l1_loss(pred.amplitude, target.amplitude),
            "phase_mae": F.l1_loss(pred.phase, target.phase),
        }


class HuberLoss(Loss):
    """x^2 / 2 where |x| <= delta, delta (|x| - delta / 2) beyond, of amplitude plus phase (PPN, section V-B).

    Args:
        delta: error from which on it grows linearly, above 0.
        amplitude_range: see `Loss`.
        phase_range: likewise.
        circular_phase: likewise.

    Raises:
        ValueError: a delta that is not above 0.
    """

    def __init__(self, *, delta: float, amplitude_range: float, phase_range: float, circular_phase: bool) -> None:
        super().__init__(amplitude_range=amplitude_range, phase_range=phase_range, circular_phase=circular_phase)
        if not delta > 0:
            raise ValueError(f"loss.delta must be above 0, got {delta}; large values make it MSE / 2")
        self.delta = delta

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        return {
            "amplitude_huber": F.huber_loss(pred.amplitude, target.amplitude, delta=self.delta),
            "phase_huber": F.huber_loss(pred.phase, target.phase, delta=self.delta),
        }
