"""Losses that compare amplitude and phase pixel by pixel: MSE, MAE, Huber."""

from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from ptycho_bench.losses.base import Channels, HeadsLoss
from ptycho_bench.physics.bounds import Interval, bounded


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
    """Huber loss of amplitude plus that of phase (PPN, section V-B).

    It is x^2 / 2 for errors |x| <= delta, and delta (|x| - delta / 2) for larger errors.

    Args:
        delta: error above which the loss grows linearly; above 0.
        channels: see `Loss`.

    Raises:
        ValueError: If delta is not above 0.
    """

    name = "huber"

    @bounded
    def __init__(
        self,
        *,
        delta: Annotated[float, Interval("(0, 1e6]", "large values make it MSE / 2")],
        channels: Channels,
    ) -> None:
        super().__init__(channels=channels)
        self.delta = delta

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(pred, target, delta=self.delta)
