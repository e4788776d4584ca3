"""CPR's composite loss on the unit circle (Liu et al. 2026, Eqs. 6-11)."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from ptycho_bench.evaluation.metrics import GAUSSIAN_SIDE
from ptycho_bench.losses.base import Channels, Loss
from ptycho_bench.losses.structure import negative_ssim
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.physics.bounds import NonNegative, bounded

DISTANCES = {"mse": F.mse_loss, "mae": F.l1_loss}


def gradient_difference(pred: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of the forward differences, averaged over rows and columns."""
    return (F.l1_loss(pred.diff(dim=-1), target.diff(dim=-1)) + F.l1_loss(pred.diff(dim=-2), target.diff(dim=-2))) / 2


def padded_negative_ssim(pred: Tensor, target: Tensor) -> Tensor:
    """Return 1 - SSIM over every pixel of images with data range 1, padded with zeros as in CPR's code."""
    border = [GAUSSIAN_SIDE // 2] * 4
    return negative_ssim(F.pad(pred, border), F.pad(target, border), 1.0)


def circular_distance(pred: Tensor, target: Tensor) -> Tensor:
    """Return the mean of 1 - (c c* + s s*) over (B, 2, H, W) (Eqs. 4 and 9): 1 - cos(error) on the unit circle."""
    return (1 - (pred * target).sum(dim=1)).mean()


def consistency(channels: Tensor) -> Tensor:
    """Return the mean of (cos^2 + sin^2 - 1)^2 of channels (B, 2, H, W) (Eq. 10)."""
    return (channels.square().sum(dim=1) - 1).square().mean()


class GeodesicLoss(Loss):
    """amplitude L_A + phase L_P + consistency L_C; a weight of 0 omits its term.

    L_A = base + gradient grad + ssim (1 - SSIM);
    L_P = base of cos + base of sin + circular (1 - cos error) + gradient (grad cos + grad sin) + ssim (1 - mean SSIM);
    L_C is computed from the channels before their projection to the circle. The released code computes it after the
    projection, where it is 0.

    Args:
        amplitude: weight of L_A.
        phase: weight of L_P.
        consistency: weight of L_C, the distance from the unit circle.
        base: `mse` or `mae`, applied to every channel.
        gradient: weight of the gradient term in L_A and L_P.
        ssim: weight of the SSIM term in L_A and L_P.
        circular: weight of the circular distance in L_P.
        channels: see `Loss`; the phase must be circular.

    Raises:
        ValueError: If the phase representation is not circular, a weight is negative, the base is unknown, or both
            amplitude and phase have weight 0.
    """

    @bounded
    def __init__(
        self,
        *,
        amplitude: NonNegative,
        phase: NonNegative,
        consistency: NonNegative,
        base: Literal["mse", "mae"],
        gradient: NonNegative,
        ssim: NonNegative,
        circular: NonNegative,
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
        """Return the terms that L_A and L_P share: summed over channels, except for SSIM, which is averaged.

        The base term remains even with weight 0, because distributed training fails if a decoder has no gradient.
        """
        channels = pred.shape[1]
        terms = {f"{name}_{self.base}": weight * channels * self.distance(pred, target)}
        if weight and self.gradient:
            terms[f"{name}_gradient"] = weight * self.gradient * channels * gradient_difference(pred, target)
        if weight and self.ssim:
            terms[f"{name}_nssim"] = weight * self.ssim * padded_negative_ssim(pred, target)
        return terms
