"""Probes: the illumination wavefield in the object plane."""

import math

import torch
from torch import Tensor

from ptycho_bench.physics.forward import object_plane


def scale_to_photons(probe: Tensor, photons: float) -> Tensor:
    """Probe with sum |P|^2 = photons, over all its modes.

    Raises:
        ValueError: photons not above 0, or a probe that is zero everywhere.
    """
    if not photons > 0:
        raise ValueError(f"photons must be above 0, got {photons}; it is the number per diffraction pattern")
    energy = probe.abs().square().sum()
    if energy == 0:
        raise ValueError("the probe is zero everywhere, bound: some illumination; check the probe's file or radii")
    return probe * (photons / energy).sqrt()


def defocused_aperture(*, size_px: int, aperture_radius: float, stop_radius: float, defocus_waves: float) -> Tensor:
    """Focus of an annular aperture (zone plate with central stop), seen out of its plane.

    Args:
        size_px: side of the probe array.
        aperture_radius: outer radius of the pupil as a fraction of the Nyquist frequency.
        stop_radius: radius of the central stop as a fraction of the aperture's.
        defocus_waves: optical path of the defocus at the aperture's edge, in wavelengths; spreads the probe.

    Returns:
        Complex64 (size_px, size_px), sum |P|^2 = 1, centred on [size_px // 2, size_px // 2].

    Raises:
        ValueError: a radius outside its range, or a pupil that holds no pixel.
    """
    if not 0 < aperture_radius <= 1:
        raise ValueError(f"aperture_radius must lie in (0, 1], got {aperture_radius}; 1 is the Nyquist frequency")
    if not 0 <= stop_radius < 1:
        raise ValueError(f"stop_radius must lie in [0, 1), got {stop_radius}; it is a fraction of the aperture")
    frequency = torch.fft.fftshift(torch.fft.fftfreq(size_px)) * 2
    radius = torch.hypot(frequency[:, None], frequency[None, :]) / aperture_radius
    pupil = (radius <= 1) & (radius >= stop_radius)
    if not pupil.any():
        raise ValueError(f"the pupil holds no pixel of {size_px} x {size_px}; widen aperture_radius")
    return scale_to_photons(object_plane(torch.polar(pupil.float(), 2 * math.pi * defocus_waves * radius**2)), 1.0)


def block_mean(probe: Tensor, factor: int) -> Tensor:
    """Mean of factor x factor blocks of a complex (..., H, W) array: (..., H / factor, W / factor).

    Raises:
        ValueError: the factor is below 1 or does not divide height and width.
    """
    height, width = probe.shape[-2:]
    if factor < 1 or height % factor or width % factor:
        raise ValueError(f"block factor must divide {height} x {width}, got {factor}; try a power of two")
    blocks = probe.reshape(*probe.shape[:-2], height // factor, factor, width // factor, factor)
    return blocks.mean(dim=(-3, -1))


def probe_diameter(probe: Tensor) -> float:
    """Diameter, px, of the uniform disc whose intensity spreads as far as the probe's (modes, H, W)."""
    intensity = probe.abs().square().sum(dim=0).double()
    total, variance = intensity.sum(), 0.0
    for axis in (0, 1):
        profile = intensity.sum(dim=1 - axis) / total
        place = torch.arange(len(profile), dtype=torch.float64)
        variance += ((place - (place * profile).sum()).square() * profile).sum().item()
    return 2 * math.sqrt(2 * variance)  # a disc of radius r has <r^2> = r^2 / 2
