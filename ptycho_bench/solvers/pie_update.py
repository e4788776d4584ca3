"""One step of the PIE family: the revised exit waves of a batch of patterns, and what they say of object and probe."""

from collections.abc import Callable

import torch
from torch import Tensor

from ptycho_bench.physics.probe_modes import shift_phase
from ptycho_bench.solvers.pie_windows import BatchWindows, SingleWindow

SMALLEST_MODULUS = 1e-12  # sqrt(photons); where the model has less, its phase is kept at zero strength
Weight = Callable[[Tensor, Tensor, float], Tensor]


def epie_weight(illumination: Tensor, peak: Tensor, alpha: float) -> Tensor:
    """1 / max |P|^2 (Maiden and Rodenburg, doi:10.1016/j.ultramic.2009.05.012)."""
    return 1 / peak


def rpie_weight(illumination: Tensor, peak: Tensor, alpha: float) -> Tensor:
    """1 / ((1 - alpha) |P|^2 + alpha max |P|^2) (Maiden, Johnson and Li, doi:10.1364/OPTICA.4.000736)."""
    return 1 / torch.add(alpha * peak, illumination, alpha=1 - alpha)


def pie_weight(illumination: Tensor, peak: Tensor, alpha: float) -> Tensor:
    """|P| / max |P| / (|P|^2 + alpha max |P|^2) (Rodenburg and Faulkner, doi:10.1063/1.1823034)."""
    return (illumination / peak).sqrt() / (illumination + alpha * peak)


RULES: dict[str, Weight] = {"epie": epie_weight, "rpie": rpie_weight, "pie": pie_weight}


def power(wave: Tensor) -> Tensor:
    """|wave|^2, real and contiguous; several times faster than the square of abs()."""
    parts = torch.view_as_real(wave)
    real, imaginary = (parts * parts).unbind(-1)
    return real + imaginary


def add_up(values: Tensor, dim: int) -> Tensor:
    """Sum over a dimension, which stays with length 1; a single member costs nothing."""
    return values if values.shape[dim] == 1 else values.sum(dim=dim, keepdim=True)


def exit_wave_change(wave: Tensor, modulus: Tensor, bad: Tensor | None) -> tuple[Tensor, Tensor]:
    """Revised exit wave less the old one: the far field keeps its phase and takes the measured modulus.

    Args:
        wave: complex (n, modes, H, W) exit waves, times the ramp that centres their FFT.
        modulus: real (n, 1, H, W), root of the measured photons; the modes share it as the model's do.
        bad: bool (H, W), pixels that keep the model's modulus; or None.

    Returns:
        change: complex (n, modes, H, W).
        residual: real (n, 1, H, W), measured less modelled modulus, 0 on bad pixels.
    """
    # A shift in the object plane is a phase in the far field: it cancels in the projection and needs no fftshift.
    far_field = torch.fft.fft2(wave, norm="ortho")
    model = add_up(power(far_field), dim=1).sqrt_()
    residual = modulus - model
    if bad is not None:
        residual.masked_fill_(bad, 0.0)
    far_field *= residual / model.clamp_(min=SMALLEST_MODULUS)
    return torch.fft.ifft2(far_field, norm="ortho"), residual


class PIEStep:
    """Object and probe under reconstruction; both are changed by each call, both from the old exit waves.

    Within a batch the changes conj(P) d and the illumination |P|^2 of all patterns are added up at their places and
    divided once, so that patches that overlap stay stable; a batch of one is the sequential algorithm. The probe's
    change uses the object as it was before the batch, as ePIE was published.

    Args:
        windows: the object, cut at the scan positions.
        probe: complex (modes, H, W), times the ramp that centres its FFT.
        fraction_px: (N, 2) by which the probe stands off the whole pixel; None leaves it there.
        bad: bool (H, W), pixels without a measurement; or None.
        weight: one of `RULES`.
        alpha: its regularisation.
        object_step: factor of the object's changes.
        probe_step: factor of the probe's.
    """

    def __init__(
        self,
        windows: SingleWindow | BatchWindows,
        probe: Tensor,
        *,
        fraction_px: Tensor | None,
        bad: Tensor | None,
        weight: Weight,
        alpha: float | None,
        object_step: float,
        probe_step: float,
    ) -> None:
        self.windows, self.fraction_px, self.bad = windows, fraction_px, bad
        self.weight, self.alpha = weight, alpha
        self.object_step, self.probe_step = object_step, probe_step
        self.weighed, self.object_weight = None, None
        self.take(probe[None])

    def take(self, probe: Tensor) -> None:
        """Use this (1, modes, H, W) from now on. Its illumination stands for that of its fractional shifts too."""
        self.probe = probe
        self.illumination = add_up(power(probe), dim=1)

    def __call__(self, batch: Tensor, modulus: Tensor, *, refine_probe: bool) -> Tensor:
        """Change object and, if asked, probe by a batch of patterns.

        Args:
            batch: int64 (n,), the patterns' numbers.
            modulus: real (n, 1, H, W), root of their photons.
            refine_probe: whether the probe changes.

        Returns:
            Real (n, 1, H, W), measured less modelled modulus as the batch met them.
        """
        place = self.windows.locate(batch)
        patch = self.windows.cut(place)
        phase = self.shift_phase(batch)
        probe = self.probe if phase is None else torch.fft.ifft2(torch.fft.fft2(self.probe) * phase)
        change, residual = exit_wave_change(probe * patch, modulus, self.bad)
        obj_change = add_up(torch.conj_physical(probe) * change, dim=1) * self.weigh(place)
        if refine_probe:
            self.take(self.probe + self.probe_change(patch, change, phase))
        self.windows.add(place, obj_change)
        return residual

    def shift_phase(self, batch: Tensor) -> Tensor | None:
        """What moves the probe's spectrum to the patterns' fractional positions, (n, 1, H, W), or None."""
        if self.fraction_px is None:
            return None
        return shift_phase(self.fraction_px[batch.to(self.probe.device, non_blocking=True)], *self.probe.shape[-2:])

    def weigh(self, place: Tensor) -> Tensor:
        """What conj(P) d is multiplied by, (n or 1, 1, H, W); not computed again while the illumination stays."""
        illumination = self.windows.overlapped(place, self.illumination)
        if illumination is not self.weighed:
            self.weighed = illumination
            self.object_weight = self.weight(illumination, illumination.max(), self.alpha) * self.object_step
        return self.object_weight

    def probe_change(self, patch: Tensor, change: Tensor, phase: Tensor | None) -> Tensor:
        """The object's rule with object and probe exchanged, moved back to the whole pixel; (1, modes, H, W)."""
        change = torch.conj_physical(patch) * change
        if phase is not None:
            change = torch.fft.ifft2(add_up(torch.fft.fft2(change) * phase.conj(), dim=0))
        transmitted = add_up(power(patch), dim=0)
        return add_up(change, dim=0) * (self.weight(transmitted, transmitted.max(), self.alpha) * self.probe_step)
