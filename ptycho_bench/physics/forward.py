"""Propagate the exit wave of an object patch to a far-field detector."""

import torch
from torch import Tensor


def exit_wave(probe: Tensor, obj_patch: Tensor) -> Tensor:
    """Return the wavefield behind the illuminated patch (thin-object approximation).

    Args:
        probe: complex (H, W) or (..., H, W), sqrt(photons).
        obj_patch: complex (..., H, W) transmission function.

    Returns:
        Complex (..., H, W), sqrt(photons).

    Raises:
        ValueError: If the probe and the patch differ in height or width.
    """
    if probe.shape[-2:] != obj_patch.shape[-2:]:
        raise ValueError(
            f"probe is {tuple(probe.shape[-2:])} px, obj_patch is {tuple(obj_patch.shape[-2:])} px; cut patches "
            "of the probe's size"
        )
    return probe * obj_patch


def far_field(wave: Tensor) -> Tensor:
    """Compute the centred orthonormal Fourier transform, which conserves the number of photons.

    Args:
        wave: complex (..., H, W), origin at [H // 2, W // 2].

    Returns:
        Complex (..., H, W), zero frequency at [H // 2, W // 2].
    """
    dims = (-2, -1)
    return torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(wave, dim=dims), norm="ortho"), dim=dims)


def object_plane(wave: Tensor) -> Tensor:
    """Compute the inverse and adjoint of `far_field`: complex (..., H, W) back to the object plane."""
    dims = (-2, -1)
    return torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(wave, dim=dims), norm="ortho"), dim=dims)


def diffraction_intensity(probe: Tensor, obj_patch: Tensor) -> Tensor:
    """Compute the intensity that a far-field detector records behind the illuminated object patch.

    Args:
        probe: complex (H, W), or (modes, H, W) whose incoherent modes add in intensity; sqrt(photons).
        obj_patch: complex (..., H, W) transmission function under the probe.

    Returns:
        Real (..., H, W), photons per pixel, zero frequency at [H // 2, W // 2].

    Raises:
        ValueError: If the probe and the patch differ in height or width.
    """
    if probe.ndim == 2:
        return far_field(exit_wave(probe, obj_patch)).abs().square()
    return far_field(exit_wave(probe, obj_patch.unsqueeze(-3))).abs().square().sum(dim=-3)
