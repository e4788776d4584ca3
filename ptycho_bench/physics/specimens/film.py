"""Transmission of a thin magnetic film in Lorentz electron microscopy."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from ptycho_bench.physics.bounds import Angle, Interval, Metres, bounded
from ptycho_bench.physics.geometry import ELECTRON_C, ELECTRON_REST_EV, PLANCK_J_S, electron_wavelength
from ptycho_bench.physics.specimens.objects import rescale, transmission

FLUX_QUANTUM_T_M2 = PLANCK_J_S / (2 * ELECTRON_C)


def interaction_constant(voltage_v: float) -> float:
    """Relativistic phase shift of an electron per volt of inner potential and metre of path, rad / (V m).

    >>> round(interaction_constant(300e3) * 1e-9, 6)
    0.006526
    """
    relative = (voltage_v + ELECTRON_REST_EV) / (voltage_v * (voltage_v + 2 * ELECTRON_REST_EV))
    return 2 * math.pi / electron_wavelength(voltage_v) * relative


def magnetic_phase(magnetisation: Tensor, *, thickness_m: float, pixel_size_m: float, induction_t: float) -> Tensor:
    """Compute the Aharonov-Bohm phase of the in-plane magnetisation of a thin film in Fourier space.

    phi(q) = (i pi B0 t / phi0) (m x q)_z / |q|^2 with angular frequency q and the flux quantum phi0 = h / 2e
    (Beleggia and Zhu, doi:10.1080/0141861021000055687). The field is padded to twice its size, so that the stray
    phase of one edge does not wrap around to the opposite one.

    Args:
        magnetisation: real (2, H, W), direction (y, x) of modulus 0 or 1.
        thickness_m: film thickness.
        pixel_size_m: side of a pixel.
        induction_t: saturation induction B0 = mu0 Ms.

    Returns:
        Real (H, W), radians.
    """
    height, width = magnetisation.shape[-2:]
    padded = (2 * height, 2 * width)
    m_y, m_x = torch.fft.fft2(magnetisation.double(), s=padded)
    q_y = 2 * math.pi * torch.fft.fftfreq(padded[0], pixel_size_m, dtype=torch.float64)[:, None]
    q_x = 2 * math.pi * torch.fft.fftfreq(padded[1], pixel_size_m, dtype=torch.float64)[None, :]
    q_squared = q_y**2 + q_x**2
    q_squared[0, 0] = 1.0  # the mean phase carries no field; the numerator is zero there
    spectrum = 1j * math.pi * induction_t * thickness_m / FLUX_QUANTUM_T_M2 * (m_x * q_y - m_y * q_x) / q_squared
    return torch.fft.ifft2(spectrum).real[:height, :width].to(magnetisation.dtype)


@bounded
@dataclass(frozen=True, kw_only=True)
class Film:
    """A thin film and the imaging conditions of the microscope.

    Args:
        pixel_size_m: side of a pixel.
        thickness_m: film thickness.
        inner_potential_v: mean inner potential.
        induction_t: saturation induction mu0 Ms.
        voltage_v: accelerating voltage.
        amplitude: modulus of the film's transmission, (0, 1); that of the support is 1.
        phase_offset_rad: constant added to the phase before scaling; it determines where a wrapped phase wraps.
        scaling: `published`, `wrapped` or `none`, see `objects.rescale`.

    Raises:
        ValueError: If a number is out of bounds.
    """

    pixel_size_m: Metres
    thickness_m: Metres
    inner_potential_v: Annotated[float, Interval("[-1e6, 1e6]")]
    induction_t: Annotated[float, Interval("[-100, 100]")]
    voltage_v: Annotated[float, Interval("(0, 1e9]", "300e3 is usual")]
    amplitude: Annotated[float, Interval("(0, 1)", "that of the support is 1")]
    phase_offset_rad: Angle
    scaling: Literal["published", "wrapped", "none"]

    def transmission(self, pattern: Tensor, magnetisation: Tensor) -> Tensor:
        """Compute the transmission of a patterned film on a clear support.

        The amplitude has two levels. The phase is the sum of an electrostatic part (interaction constant x inner
        potential x thickness) and a magnetic part.

        Args:
            pattern: real (H, W), 1 on the film and 0 elsewhere.
            magnetisation: real (2, H, W), direction (y, x) of modulus 0 or 1.

        Returns:
            Complex64 (H, W).
        """
        phase = interaction_constant(self.voltage_v) * self.inner_potential_v * self.thickness_m * pattern
        phase += magnetic_phase(
            magnetisation,
            thickness_m=self.thickness_m,
            pixel_size_m=self.pixel_size_m,
            induction_t=self.induction_t,
        )
        amplitude = 1 - (1 - self.amplitude) * pattern
        return transmission(*rescale(amplitude, phase + self.phase_offset_rad, scaling=self.scaling))
