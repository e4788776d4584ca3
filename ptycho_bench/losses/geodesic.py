"""CPR's composite loss on the unit circle (Liu et al. 2026, Eqs. 6-11); weights as its training script sets them."""

from torch import Tensor
from torch.nn import functional as F

from ptycho_bench.evaluation.metrics import GAUSSIAN_SIDE
from ptycho_bench.losses.base import Channels, Loss, check_weights
from ptycho_bench.losses.structure import negative_ssim
from ptycho_bench.network.sample import Prediction, Target

DISTANCES = {"mse": F.mse_loss, "mae": F.l1_loss}


def gradient_difference(pred: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of forward differences, half along rows and half along columns."""
    return (F.l1_loss(pred.diff(dim=-1), target.diff(dim=-1)) + F.l1_loss(pred.diff(dim=-2), target.diff(dim=-2))) / 2


def padded_negative_ssim(pred: Tensor, target: Tensor) -> Tensor:
    """1 - SSIM of images with data range 1, over every pixel: beyond the border lie zeros, as CPR's code has it."""
    border = [GAUSSIAN_SIDE // 2] * 4
    return negative_ssim(F.pad(pred, border), F.pad(target, border), 1.0)


def circular_distance(pred: Tensor, target: Tensor) -> Tensor:
    """Mean of 1 - (c c* + s s*), channels (B, 2, H, W): Eqs. 4 and 9; 1 - cos(error) where both lie on the circle."""
    return (1 - (pred * target).sum(dim=1)).mean()


def consistency(channels: Tensor) -> Tensor:
    """Mean squared distance of cos^2 + sin^2 from 1, channels (B, 2, H, W): Eq. 10."""
    return (channels.square().sum(dim=1) - 1).square().mean()


class GeodesicLoss(Loss):
    """amplitude L_A + phase L_P + consistency L_C; a weight of 0 leaves its term out.

    L_A = base + gradient grad + ssim (1 - SSIM);
    L_P = base of cos + base of sin + circular (1 - cos error) + gradient (grad cos + grad sin) + ssim (1 - mean SSIM);
    L_C is taken on the channels before their projection, where the released code takes it after and gets 0.

    Args:
        amplitude: weight of the amplitude's part.
        phase: weight of the phase's part.
        consistency: weight of the distance from the unit circle.
        base: mse or mae, of every channel.
        gradient: weight of the gradients within both parts.
        ssim: weight of the structure within both parts.
        circular: weight of the circular distance within the phase's part.
        channels: see `Loss`; the phase must be circular.

    Raises:
        ValueError: a phase representation that is not circular, a negative weight, no part left, an unknown base.
    """

    def __init__(
        self,
        *,
        amplitude: float,
        phase: float,
        consistency: float,
        base: str,
        gradient: float,
        ssim: float,
        circular: float,
        channels: Channels,
    ) -> None:
        super().__init__(channels=channels)
        if not channels.circular:
            raise ValueError(
                "loss=geodesic compares points of the unit circle, but this phase representation has none; use "
                "phase=circular or phase=circular_scaled, or another loss"
            )
        if base not in DISTANCES:
            raise ValueError(f"loss.base must be mse or mae, got {base!r}")
        check_weights(amplitude=amplitude, phase=phase, consistency=consistency)
        check_weights(gradient=gradient, ssim=ssim, circular=circular)
        if amplitude == 0 and phase == 0:
            raise ValueError("loss.amplitude or loss.phase must be above 0, got 0 and 0: nothing is left to train on")
        self.base, self.distance = base, DISTANCES[base]
        self.amplitude, self.phase, self.consistency = amplitude, phase, consistency
        self.gradient, self.ssim, self.circular = gradient, ssim, circular

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        terms = self.shape_terms("amplitude", self.amplitude, pred.amplitude, target.amplitude)
        terms |= self.shape_terms("phase", self.phase, pred.phase, target.phase)
        if self.phase and self.circular:
            terms["phase_circular"] = self.phase * self.circular * circular_distance(pred.phase, target.phase)
        if self.consistency:
            terms["consistency"] = self.consistency * consistency(pred.unprojected)
        return terms

    def shape_terms(self, name: str, weight: float, pred: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Terms both parts have; those of a phase add up over its channels, but for SSIM, which is their mean.

        The base stays at weight 0: a decoder without any gradient would stop processes that share the work.
        """
        channels = pred.shape[1]
        terms = {f"{name}_{self.base}": weight * channels * self.distance(pred, target)}
        if weight and self.gradient:
            terms[f"{name}_gradient"] = weight * self.gradient * channels * gradient_difference(pred, target)
        if weight and self.ssim:
            terms[f"{name}_nssim"] = weight * self.ssim * padded_negative_ssim(pred, target)
        return terms
