"""Losses that compare pixel by pixel, amplitude and phase alike: MSE, MAE, Huber."""

from torch import Tensor
from torch.nn import functional as F

from ptycho_bench.losses.base import Channels, HeadsLoss


class MSELoss(HeadsLoss):
    """Mean squared error of amplitude plus that of phase (PPN Eq. 12)."""

    name = "mse"

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(pred, target)


class MAELoss(HeadsLoss):
    """Mean absolute error of amplitude plus that of phase (PtychoNN, W-Net)."""

    name = "mae"

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(pred, target)


class HuberLoss(HeadsLoss):
    """x^2 / 2 where |x| <= delta, delta (|x| - delta / 2) beyond, of amplitude plus phase (PPN, section V-B).

    Args:
        delta: error from which on it grows linearly, above 0.
        channels: see `Loss`.

    Raises:
        ValueError: a delta that is not above 0.
    """

    name = "huber"

    def __init__(self, *, delta: float, channels: Channels) -> None:
        super().__init__(channels=channels)
        if not delta > 0:
            raise ValueError(f"loss.delta must be above 0, got {delta}; large values make it MSE / 2")
        self.delta = delta

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(pred, target, delta=self.delta)
