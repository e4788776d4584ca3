"""A loss that ignores one constant phase per patch, which far-field patterns do not determine."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ptycho_bench.losses.base import Loss
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.physics.specimens.objects import wrap_phase


def phase_variance(error: Tensor) -> Tensor:
    """Return the variance of each phase error (B, H, W), radians, in square radians, without the best constant.

    The circular mean only decides by how many whole turns each error is unwrapped. It has no gradient, which would be
    infinite for errors that are spread evenly over the circle.
    """
    with torch.no_grad():
        constant = torch.atan2(*(part(error).mean(dim=(-2, -1), keepdim=True) for part in (torch.sin, torch.cos)))
    return wrap_phase(error - constant).var(dim=(-2, -1), correction=0)


class BlindLoss(Loss):
    """Mean squared error of amplitude plus that of phase after the best constant phase of each patch is removed.

    A network trained with it predicts each patch's phase up to an arbitrary constant, so the phases of patches must be
    aligned before they are stitched.

    The phase error is that of decoded phases, in radians and modulo 2 pi, so that every representation can be used. It
    is divided by the square of the radians per unit of the encoded phase and by the number of channels. For a scaled
    phase the unit is the training span, and the term equals that of `MSELoss` if the mean error of each patch is zero;
    for (cos, sin) both are equal to second order in the error.
    """

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        _, predicted = pred.decode(pred.amplitude, pred.phase)
        _, true = pred.decode(target.amplitude, target.phase)
        scale = self.radians_per_unit(pred).square() * pred.phase.shape[1]
        return {
            "amplitude_mse": F.mse_loss(pred.amplitude, target.amplitude),
            "phase_blind": phase_variance(predicted - true).mean() / scale,
        }

    def radians_per_unit(self, pred: Prediction) -> Tensor:
        """Return how far the decoded phase moves, radians, when the encoded phase, or its angle, grows from 0 to 1."""
        unit = torch.arange(2, dtype=pred.phase.dtype, device=pred.phase.device).view(2, 1, 1, 1)
        channels = torch.cat((unit.cos(), unit.sin()), dim=1) if self.channels.circular else unit
        _, phase = pred.decode(unit, channels)
        return (phase[1] - phase[0]).squeeze()
