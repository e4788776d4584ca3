"""Loss between measured and predicted patterns (PPN Eq. 3): trains without labels."""

import torch
from torch import Tensor, nn

from ptycho_bench.data.sample import Prediction, Target
from ptycho_bench.losses.base import Loss, check_weights
from ptycho_bench.physics.forward import diffraction_intensity

DARK = 1e-6  # photons, added under roots and logarithms: both have gradients in the dark then


def intensity_misfit(predicted: Tensor, measured: Tensor) -> Tensor:
    """(I - M)^2 by pixel, PPN's printed form, over the pattern's sum I^2 / sum I: photons, as the others."""
    dims = (-2, -1)
    scale = measured.square().sum(dim=dims, keepdim=True) / measured.sum(dim=dims, keepdim=True).clamp(min=1.0)
    return (measured - predicted).square() / scale.clamp(min=1.0)


def amplitude_misfit(predicted: Tensor, measured: Tensor) -> Tensor:
    """(sqrt I - sqrt M)^2 by pixel, photons."""
    return ((measured + DARK).sqrt() - (predicted + DARK).sqrt()).square()


def poisson_misfit(predicted: Tensor, measured: Tensor) -> Tensor:
    """Half the Poisson deviance by pixel, photons: the negative log-likelihood of counts I, less its value at M = I."""
    expected = predicted + DARK
    return expected - measured + torch.xlogy(measured, (measured + DARK) / expected)


MISFITS = {"intensity": intensity_misfit, "amplitude": amplitude_misfit, "poisson": poisson_misfit}


def total_variation(obj_patch: Tensor) -> Tensor:
    """Mean modulus of the complex forward differences, along rows plus along columns: Omega_1 of PPN Eq. 3."""
    return obj_patch.diff(dim=-1).abs().mean() + obj_patch.diff(dim=-2).abs().mean()


class DiffractionLoss(Loss):
    """misfit(I, |F(P O)|^2) + smoothness Omega_1(O) + probe_change Omega_2(P), PPN Eq. 3; amplitude and phase are not
    compared with any truth.

    The misfit is a sum over each pattern by the probe's photons: about 0 for the truth, about 1 for no object.

    Args:
        misfit: amplitude, poisson, or intensity (as printed).
        smoothness: weight lambda_1 of the object's total variation.
        refine_probe: train a correction of the probe along with the network.
        probe_change: weight lambda_2 of |P - P_0|^2 by |P_0|^2; counts where the probe is refined.
        amplitude_range: see `Loss`.
        phase_range: likewise.
        circular_phase: likewise.

    Raises:
        ValueError: an unknown misfit or a negative weight.
    """

    needs_measurement = True
    probe: Tensor

    def __init__(
        self,
        *,
        misfit: str,
        smoothness: float,
        refine_probe: bool,
        probe_change: float,
        amplitude_range: float,
        phase_range: float,
        circular_phase: bool,
    ) -> None:
        super().__init__(amplitude_range=amplitude_range, phase_range=phase_range, circular_phase=circular_phase)
        if misfit not in MISFITS:
            raise ValueError(f"loss.misfit must be {', '.join(MISFITS)}, got {misfit!r}")
        check_weights(smoothness=smoothness, probe_change=probe_change)
        self.misfit, self.smoothness = MISFITS[misfit], smoothness
        self.refine_probe, self.probe_change = refine_probe, probe_change
        self.correction: nn.Parameter | None = None

    def attach(self, probe: Tensor) -> None:
        self.register_buffer("probe", probe, persistent=False)
        if self.refine_probe:  # real and imaginary part, by the probe's root mean square
            self.correction = nn.Parameter(torch.zeros(*probe.shape, 2))

    def refined_probe(self) -> Tensor:
        """P, complex (modes, H, W), sqrt(photons)."""
        if self.correction is None:
            return self.probe
        scale = self.probe.abs().square().mean().sqrt()
        return self.probe + scale * torch.view_as_complex(self.correction)

    def terms(self, pred: Prediction, target: Target) -> dict[str, Tensor]:
        obj_patch = pred.obj_patch()
        photons = self.probe.abs().square().sum()
        predicted = diffraction_intensity(self.refined_probe(), obj_patch)
        misfit = self.misfit(predicted, target.intensity).sum(dim=(-2, -1)).mean()
        terms = {"diffraction_misfit": misfit / photons}
        if self.smoothness:
            terms["smoothness"] = self.smoothness * total_variation(obj_patch)
        if self.correction is not None:
            change = self.correction.square().sum(dim=-1).mean()
            terms["probe_change"] = self.probe_change * change
        return terms
