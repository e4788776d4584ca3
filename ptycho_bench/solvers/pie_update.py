"""One step of the PIE family: revise the exit waves of a batch of patterns and update object and probe from them."""

from collections.abc import Callable

import torch
from torch import Tensor

from ptycho_bench.physics.probe_modes import shift_phase
from ptycho_bench.solvers.pie_windows import BatchWindows, SingleWindow

SMALLEST_MODULUS = 1e-12  # sqrt(photons); lower bound of the modelled modulus in divisions
Weight = Callable[[Tensor, Tensor, float], Tensor]


def epie_weight(illumination: Tensor, peak: Tensor, alpha: float) -> Tensor:
    """Return 1 / max |P|^2 (Maiden and Rodenburg, doi:10.1016/j.ultramic.2009.05.012)."""
    return 1 / peak


def rpie_weight(illumination: Tensor, peak: Tensor, alpha: float) -> Tensor:
    """Return 1 / ((1 - alpha) |P|^2 + alpha max |P|^2) (Maiden, Johnson and Li, doi:10.1364/OPTICA.4.000736)."""
    return 1 / torch.add(alpha * peak, illumination, alpha=1 - alpha)


def pie_weight(illumination: Tensor, peak: Tensor, alpha: float) -> Tensor:
    """Return |P| / max |P| / (|P|^2 + alpha max |P|^2) (Rodenburg and Faulkner, doi:10.1063/1.1823034)."""
    return (illumination / peak).sqrt() / (illumination + alpha * peak)


RULES: dict[str, Weight] = {"epie": epie_weight, "rpie": rpie_weight, "pie": pie_weight}


def squared_modulus(wave: Tensor) -> Tensor:
    """Compute |wave|^2, real and contiguous; this is several times faster than the square of abs()."""
    parts = torch.view_as_real(wave)
    real, imaginary = (parts * parts).unbind(-1)
    return real + imaginary


def sum_keepdim(values: Tensor, dim: int) -> Tensor:
    """Sum over a dimension and keep it with length 1; a dimension of length 1 is returned without a copy."""
    return values if values.shape[dim] == 1 else values.sum(dim=dim, keepdim=True)


def exit_wave_change(wave: Tensor, modulus: Tensor, bad_mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Compute the change of the exit wave if its far field keeps its phase but takes the measured modulus.

    Args:
        wave: complex (n, modes, H, W), exit waves times the ramp that centres their FFT, sqrt(photons).
        modulus: real (n, 1, H, W), square root of the measured photons, for all modes together.
        bad_mask: bool (H, W), True on bad pixels, which keep the modelled modulus; None if there are none.

    Returns:
        change: complex (n, modes, H, W), revised minus current exit wave, sqrt(photons).
        residual: real (n, 1, H, W), measured minus modelled modulus, sqrt(photons); 0 on bad pixels.
    """
    # A shift in the object plane is a phase in the far field, which cancels in the projection: no fftshift is needed.
    far_field = torch.fft.fft2(wave, norm="ortho")
    model = sum_keepdim(squared_modulus(far_field), dim=1).sqrt_()
    residual = modulus - model
    if bad_mask is not None:
        residual.masked_fill_(bad_mask, 0.0)
    far_field *= residual / model.clamp_(min=SMALLEST_MODULUS)
    return torch.fft.ifft2(far_field, norm="ortho"), residual


class PIEStep:
    """Update the object and the probe by a batch of patterns in each call.

    The changes conj(P) d and the illumination |P|^2 of all patterns of a batch are summed where patches overlap and
    divided only once, which keeps the update stable; a batch of one is the sequential algorithm. The update of the
    probe uses the object before the batch, as published for ePIE.

    Args:
        windows: windows of the object at the scan positions.
        probe: complex (modes, H, W), times the ramp that centres its FFT, sqrt(photons).
        fraction_px: real (N, 2), offset of the probe from the whole pixel; None if there is none.
        bad_mask: bool (H, W), True on pixels without a measurement; None if there are none.
        weight: one of `RULES`.
        alpha: regularisation of the weight; None for ePIE.
        object_step: factor of the object's updates.
        probe_step: factor of the probe's updates.
    """

    def __init__(
        self,
        windows: SingleWindow | BatchWindows,
        probe: Tensor,
        *,
        fraction_px: Tensor | None,
        bad_mask: Tensor | None,
        weight: Weight,
        alpha: float | None,
        object_step: float,
        probe_step: float,
    ) -> None:
        self.windows, self.fraction_px, self.bad_mask = windows, fraction_px, bad_mask
        self.weight, self.alpha = weight, alpha
        self.object_step, self.probe_step = object_step, probe_step
        self.weighted_illumination, self.object_weight = None, None
        self.set_probe(probe[None])

    def set_probe(self, probe: Tensor) -> None:
        """Set the probe, (1, modes, H, W). Its illumination is also used for its fractional shifts."""
        self.probe = probe
        self.illumination = sum_keepdim(squared_modulus(probe), dim=1)

    def __call__(self, batch: Tensor, modulus: Tensor, *, refine_probe: bool) -> Tensor:
        """Update the object, and optionally the probe, by a batch of patterns.

        Args:
            batch: int64 (n,), indices of the patterns, on the CPU.
            modulus: real (n, 1, H, W), square root of their photons.
            refine_probe: whether to update the probe.

        Returns:
            Real (n, 1, H, W), measured minus modelled modulus before the update, sqrt(photons).
        """
        location = self.windows.locate(batch)
        patch = self.windows.cut(location)
        phase = self.probe_shift(batch)
        probe = self.probe if phase is None else torch.fft.ifft2(torch.fft.fft2(self.probe) * phase)
        change, residual = exit_wave_change(probe * patch, modulus, self.bad_mask)
        obj_change = sum_keepdim(torch.conj_physical(probe) * change, dim=1) * self.object_factor(location)
        if refine_probe:
            self.set_probe(self.probe + self.probe_change(patch, change, phase))
        self.windows.add(location, obj_change)
        return residual

    def probe_shift(self, batch: Tensor) -> Tensor | None:
        """Return the factor of the probe's spectrum, (n, 1, H, W), for fractional positions; None if there are none."""
        if self.fraction_px is None:
            return None
        return shift_phase(self.fraction_px[batch.to(self.probe.device, non_blocking=True)], *self.probe.shape[-2:])

    def object_factor(self, location: Tensor) -> Tensor:
        """Return the factor of conj(P) d, (n or 1, 1, H, W); it is cached while the illumination is the same tensor."""
        illumination = self.windows.total_illumination(location, self.illumination)
        if illumination is not self.weighted_illumination:
            self.weighted_illumination = illumination
            self.object_weight = self.weight(illumination, illumination.max(), self.alpha) * self.object_step
        return self.object_weight

    def probe_change(self, patch: Tensor, change: Tensor, phase: Tensor | None) -> Tensor:
        """Return the probe's update, (1, modes, H, W): the object's rule with object and probe exchanged.

        With a shift, the update is moved back to the whole pixel.
        """
        change = torch.conj_physical(patch) * change
        if phase is not None:
            change = torch.fft.ifft2(sum_keepdim(torch.fft.fft2(change) * phase.conj(), dim=0))
        transmitted = sum_keepdim(squared_modulus(patch), dim=0)
        return sum_keepdim(change, dim=0) * (self.weight(transmitted, transmitted.max(), self.alpha) * self.probe_step)
