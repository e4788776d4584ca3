"""Loss between measured and predicted patterns (PPN Eq. 3), for training without labels."""

from typing import Literal

import torch
from torch import Tensor, nn

from ptycho_bench.data.scan import Measurement
from ptycho_bench.losses.base import Channels, MeasuredLoss
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.physics.bounds import NonNegative, bounded
from ptycho_bench.physics.forward import far_field

EPS_PHOTONS = 1e-6  # added inside roots and logarithms, which otherwise have infinite gradients at 0 photons


def intensity_misfit(predicted: Tensor, measured: Tensor, empty: Tensor) -> Tensor:
    """Return (I - M)^2 per pixel, as PPN prints it, divided by sum E^2 / sum E of the empty beam E; in photons."""
    return (measured - predicted).square() * empty.sum() / empty.square().sum()


def amplitude_misfit(predicted: Tensor, measured: Tensor, empty: Tensor) -> Tensor:
    """Return (sqrt I - sqrt M)^2 per pixel, in photons."""
    return ((measured + EPS_PHOTONS).sqrt() - (predicted + EPS_PHOTONS).sqrt()).square()


def poisson_misfit(predicted: Tensor, measured: Tensor, empty: Tensor) -> Tensor:
    """Return half the Poisson deviance per pixel: the negative log-likelihood of counts I minus its value at M = I."""
    expected = predicted + EPS_PHOTONS
    return expected - measured + torch.xlogy(measured, (measured + EPS_PHOTONS) / expected)


# called with the predicted pattern M and the measured pattern I, (B, H, W), and the pattern of the empty beam, (H, W)
MISFITS = {"intensity": intensity_misfit, "amplitude": amplitude_misfit, "poisson": poisson_misfit}


def total_variation(obj_patch: Tensor) -> Tensor:
    """Return Omega_1 of PPN Eq. 3: mean modulus of the complex forward differences along rows, plus along columns."""
    return obj_patch.diff(dim=-1).abs().mean() + obj_patch.diff(dim=-2).abs().mean()


class DiffractionLoss(MeasuredLoss):
    """misfit(I, |F(P O)|^2) + smoothness Omega_1(O) + probe_change Omega_2(P) (PPN Eq. 3).

    It needs no true amplitude and phase. The misfit is summed over each pattern and divided by the photons of the
    probe; it is 0 for the true object if the patterns have no noise.

    Args:
        misfit: `amplitude`, `poisson`, or `intensity` (as printed).
        smoothness: weight lambda_1 of the total variation of the object.
        refine_probe: whether a correction of the probe is trained along with the network.
        probe_change: weight lambda_2 of |P - P_0|^2 / |P_0|^2; used only if the probe is refined.
        channels: see `Loss`.

    Raises:
        ValueError: If the misfit is unknown or a weight is negative.
    """

    empty: Tensor  # pattern of the empty beam (the probe without an object), (H, W), photons

    @bounded
    def __init__(
        self,
        *,
        misfit: Literal["amplitude", "poisson", "intensity"],
        smoothness: NonNegative,
        refine_probe: bool,
        probe_change: NonNegative,
        channels: Channels,
    ) -> None:
        super().__init__(channels=channels)
        if misfit not in MISFITS:
            raise ValueError(f"loss.misfit must be one of {', '.join(MISFITS)}, got {misfit!r}")
        self.misfit, self.smoothness = MISFITS[misfit], smoothness
        self.refine_probe, self.probe_change = refine_probe, probe_change
        self.correction: nn.Parameter | None = None

    def attach(self, measurement: Measurement) -> None:
        super().attach(measurement)
        self.register_buffer("empty", far_field(self.probe).abs().square().sum(dim=0), persistent=False)
        if self.refine_probe:  # real and imaginary part, relative to the root mean square of the probe
            self.correction = nn.Parameter(torch.zeros(*self.probe.shape, 2))

    def refined_probe(self) -> Tensor:
        """Return the refined probe P, complex (modes, H, W), sqrt(photons)."""
        if self.correction is None:
            return self.probe
        scale = self.probe.abs().square().mean().sqrt()
        return self.probe + scale * torch.view_as_complex(self.correction)

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        obj_patch = pred.obj_patch()
        predicted = self.predicted_pattern(obj_patch, self.refined_probe())
        misfit = self.misfit(predicted, target.intensity, self.empty)
        if self.valid_mask is not None:
            misfit = misfit * self.valid_mask
        terms = {"diffraction_misfit": misfit.sum(dim=(-2, -1)).mean() / self.empty.sum()}
        if self.smoothness:
            terms["smoothness"] = self.smoothness * total_variation(obj_patch)
        if self.correction is not None:
            change = self.correction.square().sum(dim=-1).mean()
            terms["probe_change"] = self.probe_change * change
        return terms
