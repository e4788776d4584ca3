"""Wavelength, object pixel size and Fresnel number of a far-field experiment."""

import math

PLANCK_J_S, ELECTRON_C, ELECTRON_KG, LIGHT_M_S = 6.62607015e-34, 1.602176634e-19, 9.1093837e-31, 299792458.0
ELECTRON_REST_EV = ELECTRON_KG * LIGHT_M_S**2 / ELECTRON_C


def photon_wavelength(energy_ev: float) -> float:
    """Wavelength of a photon of this energy, m.

    >>> round(photon_wavelength(8800) * 1e10, 4)
    1.4089
    """
    return PLANCK_J_S * LIGHT_M_S / (ELECTRON_C * energy_ev)


def electron_wavelength(energy_ev: float) -> float:
    """Relativistic wavelength of an electron of this kinetic energy, m.

    >>> round(electron_wavelength(300e3) * 1e12, 3)
    1.969
    """
    return PLANCK_J_S * LIGHT_M_S / (ELECTRON_C * math.sqrt(energy_ev * (energy_ev + 2 * ELECTRON_REST_EV)))


WAVELENGTHS = {"photons": photon_wavelength, "electrons": electron_wavelength}


def far_field_pixel(wavelength_m: float, distance_m: float, detector_pixel_m: float, side_px: int) -> float:
    """Side of an object pixel, lambda z / (N d) for N detector pixels of side d, m.

    >>> round(far_field_pixel(photon_wavelength(8800), 2.2, 75e-6, 512) * 1e9, 2)
    8.07
    """
    return wavelength_m * distance_m / (side_px * detector_pixel_m)


def fresnel_number(width_m: float, wavelength_m: float, distance_m: float) -> float:
    """Fresnel number a^2 / (lambda z) of a beam of width a; it is well below 1 in the far field."""
    return width_m**2 / (wavelength_m * distance_m)
