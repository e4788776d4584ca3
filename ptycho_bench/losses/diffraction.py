"""Loss between measured and predicted patterns (PPN Eq. 3): trains without labels."""

import torch
from torch import Tensor, nn

from ptycho_bench.data.scan import Measurement
from ptycho_bench.losses.base import Channels, MeasuredLoss, check_weights
from ptycho_bench.network.sample import Prediction, Target
from ptycho_bench.physics.forward import far_field

DARK = 1e-6  # photons, added under roots and logarithms: both have gradients in the dark then


def intensity_misfit(predicted: Tensor, measured: Tensor, empty: Tensor) -> Tensor:
    """(I - M)^2 by pixel, PPN's printed form, over the empty beam's sum I^2 / sum I, to be photons as the others."""
    return (measured - predicted).square() * empty.sum() / empty.square().sum()


def amplitude_misfit(predicted: Tensor, measured: Tensor, empty: Tensor) -> Tensor:
    """(sqrt I - sqrt M)^2 by pixel, photons."""
    return ((measured + DARK).sqrt() - (predicted + DARK).sqrt()).square()


def poisson_misfit(predicted: Tensor, measured: Tensor, empty: Tensor) -> Tensor:
    """Half the Poisson deviance by pixel, photons: the negative log-likelihood of counts I, less its value at M = I."""
    expected = predicted + DARK
    return expected - measured + torch.xlogy(measured, (measured + DARK) / expected)


# predicted and measured pattern (B, H, W), and that of the probe without object (H, W)
MISFITS = {"intensity": intensity_misfit, "amplitude": amplitude_misfit, "poisson": poisson_misfit}


def total_variation(obj_patch: Tensor) -> Tensor:
    """Mean modulus of the complex forward differences, along rows plus along columns: Omega_1 of PPN Eq. 3."""
    return obj_patch.diff(dim=-1).abs().mean() + obj_patch.diff(dim=-2).abs().mean()


class DiffractionLoss(MeasuredLoss):
    """misfit(I, |F(P O)|^2) + smoothness Omega_1(O) + probe_change Omega_2(P), PPN Eq. 3; amplitude and phase are not
    compared with any truth.

    The misfit is a sum over each pattern by the probe's photons: 0 for the truth of patterns without noise.

    Args:
        misfit: amplitude, poisson, or intensity (as printed).
        smoothness: weight lambda_1 of the object's total variation.
        refine_probe: train a correction of the probe along with the network.
        probe_change: weight lambda_2 of |P - P_0|^2 by |P_0|^2; counts where the probe is refined.
        channels: see `Loss`.

    Raises:
        ValueError: an unknown misfit or a negative weight.
    """

    empty: Tensor  # pattern of the probe without object, (H, W)

    def __init__(
        self,
        *,
        misfit: str,
        smoothness: float,
        refine_probe: bool,
        probe_change: float,
        channels: Channels,
    ) -> None:
        super().__init__(channels=channels)
        if misfit not in MISFITS:
            raise ValueError(f"loss.misfit must be one of {', '.join(MISFITS)}, got {misfit!r}")
        check_weights(smoothness=smoothness, probe_change=probe_change)
        self.misfit, self.smoothness = MISFITS[misfit], smoothness
        self.refine_probe, self.probe_change = refine_probe, probe_change
        self.correction: nn.Parameter | None = None

    def attach(self, measurement: Measurement) -> None:
        super().attach(measurement)
        self.register_buffer("empty", far_field(self.probe).abs().square().sum(dim=0), persistent=False)
        if self.refine_probe:  # real and imaginary part, by the probe's root mean square
            self.correction = nn.Parameter(torch.zeros(*self.probe.shape, 2))

    def refined_probe(self) -> Tensor:
        """P, complex (modes, H, W), sqrt(photons)."""
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
