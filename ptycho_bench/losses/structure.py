"""Losses that compare structure: NPCC, NSSIM in one of two domains, and PPN's weighted sum of MSE and NSSIM."""

from typing import Annotated, Literal

from torch import Tensor
from torch.nn import functional as F

from ptycho_bench.evaluation.metrics import ssim
from ptycho_bench.losses.base import Channels, HeadsLoss, MeasuredLoss
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.physics.bounds import Interval, bounded

PCC_EPS = 1e-6  # keeps the product of the standard deviations above 0, so that a flat patch has correlation 0


def negative_pcc(pred: Tensor, target: Tensor) -> Tensor:
    """Return 1 - Pearson correlation coefficient, averaged over images (..., H, W); flat images have correlation 0.

    This is the NPCC of the papers plus the constant 1, which keeps the loss positive.
    """
    dims = (-2, -1)
    p, t = pred - pred.mean(dim=dims, keepdim=True), target - target.mean(dim=dims, keepdim=True)
    covariance = (p * t).mean(dim=dims)
    variances = p.square().mean(dim=dims) * t.square().mean(dim=dims)
    return 1 - (covariance / (variances + PCC_EPS**2).sqrt()).mean()


def negative_ssim(pred: Tensor, target: Tensor, data_range: float, mask: Tensor | None = None) -> Tensor:
    """Return 1 - SSIM, averaged over images (..., H, W): NSSIM plus the constant 1, which keeps the loss positive.

    Windows that contain a False pixel of the mask, bool (H, W), are excluded.
    """
    mask = None if mask is None else mask.expand(pred.shape)
    return 1 - ssim(pred, target, data_range=data_range, mask=mask).mean()


class NPCCLoss(HeadsLoss):
    """Negative Pearson correlation coefficient of amplitude plus that of phase (PPN, section V-B).

    It depends neither on the level nor on the contrast of an image.
    """

    name = "npcc"

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        return negative_pcc(pred, target)


class NSSIMLoss(MeasuredLoss):
    """Negative structural similarity, in one of two domains.

    `real` compares predicted and true amplitude, and predicted and true phase. `reciprocal` compares the measured
    pattern with |F(P O)|^2 of the predicted patch, both divided by the maximum of the measured pattern, as PPN prints
    it; this needs no true object.

    Args:
        domain: `real` or `reciprocal`.
        channels: see `Loss`.

    Raises:
        ValueError: If the domain is neither of them.
    """

    def __init__(self, *, domain: Literal["real", "reciprocal"], channels: Channels) -> None:
        super().__init__(channels=channels)
        domains = {"real": self.real_terms, "reciprocal": self.reciprocal_terms}
        if domain not in domains:
            raise ValueError(f"loss.domain must be real or reciprocal, got {domain!r}; reciprocal needs no labels")
        self.structural_terms = domains[domain]
        self.needs_measurement = domain == "reciprocal"

    def real_terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        return {
            "amplitude_nssim": negative_ssim(pred.amplitude, target.amplitude, self.channels.amplitude_range),
            "phase_nssim": negative_ssim(pred.phase, target.phase, self.channels.phase_range),
        }

    def reciprocal_terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        peak = target.intensity.amax(dim=(-2, -1), keepdim=True).clamp(min=1.0)
        predicted = self.predicted_pattern(pred.obj_patch(), self.probe)
        return {"diffraction_nssim": negative_ssim(predicted / peak, target.intensity / peak, 1.0, self.valid_mask)}

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        return self.structural_terms(pred, target)


class WeightedLoss(NSSIMLoss):
    """alpha MSE + (1 - alpha) NSSIM (PPN, section V-B), with the MSE of amplitude and phase.

    Args:
        alpha: weight of the MSE, in [0, 1].
        domain: domain of the NSSIM, `real` or `reciprocal`, see `NSSIMLoss`.
        channels: see `Loss`.

    Raises:
        ValueError: If alpha lies outside [0, 1], or if the domain is unknown.
    """

    @bounded
    def __init__(
        self,
        *,
        alpha: Annotated[float, Interval("[0, 1]", "1 is MSE alone")],
        domain: Literal["real", "reciprocal"],
        channels: Channels,
    ) -> None:
        super().__init__(domain=domain, channels=channels)
        self.alpha = alpha

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        return {
            "amplitude_mse": self.alpha * F.mse_loss(pred.amplitude, target.amplitude),
            "phase_mse": self.alpha * F.mse_loss(pred.phase, target.phase),
            **{name: (1 - self.alpha) * term for name, term in self.structural_terms(pred, target).items()},
        }
