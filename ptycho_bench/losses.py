"""Losses, one call shape: forward(pred, target) -> named terms, of which the module steps on "total".

Each is built with `phase_range`, the data range of one channel of the phase representation.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ptycho_bench.data.sample import Heads
from ptycho_bench.evaluation.metrics import ssim


def with_total(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """The terms and their sum, first."""
    return {"total": torch.stack(list(terms.values())).sum(), **terms}


def negative_ssim(pred: Tensor, target: Tensor, data_range: float) -> Tensor:
    """1 - SSIM, mean over images and channels: PPN's NSSIM up to the constant 1, which keeps the loss positive."""
    return 1 - ssim(pred, target, data_range=data_range).mean()


class MSELoss(nn.Module):
    """Mean squared error of amplitude plus that of phase (PPN Eq. 12)."""

    def __init__(self, *, phase_range: float) -> None:
        super().__init__()

    def forward(self, pred: Heads, target: Heads) -> dict[str, Tensor]:
        return with_total(
            {
                "amplitude_mse": F.mse_loss(pred.amplitude, target.amplitude),
                "phase_mse": F.mse_loss(pred.phase, target.phase),
            }
        )


class WeightedLoss(nn.Module):
    """alpha MSE + (1 - alpha) NSSIM, on amplitude and on phase (PPN, section V-B).

    Args:
        alpha: weight of the MSE, [0, 1].
        phase_range: data range of a phase channel; the CLI passes it.

    Raises:
        ValueError: alpha outside [0, 1].
    """

    def __init__(self, *, alpha: float, phase_range: float) -> None:
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f"loss.alpha must lie in [0, 1], got {alpha}; 1 is MSE alone")
        self.alpha, self.phase_range = alpha, phase_range

    def forward(self, pred: Heads, target: Heads) -> dict[str, Tensor]:
        rest = 1 - self.alpha
        return with_total(
            {
                "amplitude_mse": self.alpha * F.mse_loss(pred.amplitude, target.amplitude),
                "phase_mse": self.alpha * F.mse_loss(pred.phase, target.phase),
                "amplitude_nssim": rest * negative_ssim(pred.amplitude, target.amplitude, 1.0),
                "phase_nssim": rest * negative_ssim(pred.phase, target.phase, self.phase_range),
            }
        )
