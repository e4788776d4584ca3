"""Probes: illumination wavefields in the object plane."""

import math
from typing import Annotated

import torch
from torch import Tensor

from ptycho_bench.physics.bounds import Interval, bounded
from ptycho_bench.physics.forward import object_plane


def scale_to_photons(probe: Tensor, photons: float) -> Tensor:
    """Scale a probe so that sum |P|^2 over all its modes equals the number of photons.

    Raises:
        ValueError: If photons is not above 0 or the probe is zero everywhere.
    """
    if not photons > 0:
        raise ValueError(f"photons must be above 0, got {photons}; give the number per diffraction pattern")
    energy = probe.abs().square().sum()
    if energy == 0:
        raise ValueError("the probe is zero everywhere, its intensity must be above 0; check its file or its radii")
    return probe * (photons / energy).sqrt()


@bounded
def defocused_aperture(
    *,
    size_px: Annotated[int, Interval("[1, 4096]")],
    aperture_radius: Annotated[float, Interval("(0, 1]", "1 is the Nyquist frequency")],
    stop_radius: Annotated[float, Interval("[0, 1)", "it is a fraction of the aperture radius")],
    defocus_waves: Annotated[float, Interval("[-1000, 1000]")],
) -> Tensor:
    """Compute the defocused focal spot of an annular aperture, such as a zone plate with a central stop.

    Args:
        size_px: side of the probe array.
        aperture_radius: outer radius of the pupil as a fraction of the Nyquist frequency.
        stop_radius: radius of the central stop as a fraction of the aperture radius.
        defocus_waves: optical path difference at the edge of the aperture, in wavelengths; it spreads the probe.

    Returns:
        Complex64 (size_px, size_px), sum |P|^2 = 1, centred on [size_px // 2, size_px // 2].

    Raises:
        ValueError: If a number is out of bounds or the pupil contains no pixel.
    """
    frequency = torch.fft.fftshift(torch.fft.fftfreq(size_px)) * 2
    radius = torch.hypot(frequency[:, None], frequency[None, :]) / aperture_radius
    pupil = (radius <= 1) & (radius >= stop_radius)
    if not pupil.any():
        raise ValueError(f"the pupil contains no pixel of {size_px} x {size_px}; increase aperture_radius")
    return scale_to_photons(object_plane(torch.polar(pupil.float(), 2 * math.pi * defocus_waves * radius**2)), 1.0)


def block_mean(probe: Tensor, factor: int) -> Tensor:
    """Average blocks of factor x factor pixels of a complex (..., H, W) array to (..., H / factor, W / factor).

    Raises:
        ValueError: If the factor is below 1 or does not divide the height and width.
    """
    height, width = probe.shape[-2:]
    if factor < 1 or height % factor or width % factor:
        raise ValueError(f"block factor must divide {height} x {width}, got {factor}; try a power of two")
    blocks = probe.reshape(*probe.shape[:-2], height // factor, factor, width // factor, factor)
    return blocks.mean(dim=(-3, -1))


def probe_diameter(probe: Tensor) -> float:
    """Diameter, px, of the uniform disc whose intensity has the same variance as that of a probe (modes, H, W)."""
    intensity = probe.abs().square().sum(dim=0).double()
    total, variance = intensity.sum(), 0.0
    for axis in (0, 1):
        profile = intensity.sum(dim=1 - axis) / total
        place = torch.arange(len(profile), dtype=torch.float64)
        variance += ((place - (place * profile).sum()).square() * profile).sum().item()
    return 2 * math.sqrt(2 * variance)  # a disc of radius r has <r^2> = r^2 / 2
