"""Power spectra of an image, diagonal (PPN) and radial (CPR), and the energy in three frequency bands."""

import numpy as np

from ptycho_bench.evaluation.images import FLAT

BANDS = 3


def power_spectrum(image: np.ndarray) -> np.ndarray:
    """Return |FFT|^2 of a real image (rows, columns), with zero frequency at [rows // 2, columns // 2].

    Raises:
        ValueError: If the image is not two-dimensional or has a side below 4 px.
    """
    if image.ndim != 2 or min(image.shape) < 4:
        raise ValueError(f"a spectrum needs an image of at least 4 x 4 px, got {image.shape}; use a larger image")
    return np.square(np.abs(np.fft.fftshift(np.fft.fft2(np.asarray(image, np.float64)))))


def diagonal_spectrum(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the power along the diagonal, starting at zero frequency (PPN Fig. 4).

    Args:
        image: real (rows, columns).

    Returns:
        Spatial frequency in cycles / px, and power, each (n,), where n is half the shorter side.
    """
    power = power_spectrum(image)
    centre = np.array(power.shape) // 2
    steps = np.arange(min(power.shape) // 2)
    frequency = np.hypot(steps / power.shape[0], steps / power.shape[1])
    return frequency, power[centre[0] + steps, centre[1] + steps]


def radial_spectrum(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean power on rings of spatial frequency up to the Nyquist limit (CPR Figs. 7 and 8).

    Args:
        image: real (rows, columns).

    Returns:
        Frequency of each ring in cycles / px, and mean power, each (n,), where n is half the shorter side plus one.
    """
    power = power_spectrum(image)
    y, x = (np.fft.fftshift(np.fft.fftfreq(side)) for side in power.shape)
    shorter = min(power.shape)
    ring = np.rint(np.hypot(y[:, None], x) * shorter).astype(int).ravel()
    count = shorter // 2 + 1
    inside = ring < count
    pixels = np.bincount(ring[inside], minlength=count)
    return np.arange(count) / shorter, np.bincount(ring[inside], power.ravel()[inside], count) / pixels


SPECTRA = {"diagonal": diagonal_spectrum, "radial": radial_spectrum}


def band_energies(frequency: np.ndarray, power: np.ndarray, kind: str) -> tuple[float, float, float]:
    """Compute the fractions of the energy in the low, middle and high third of the frequencies; their sum is 1.

    Args:
        frequency: (n,), cycles / px, rising from 0.
        power: (n,), power at each frequency.
        kind: `diagonal` counts every value once; `radial` weights it by its frequency, as rings grow with it.

    Raises:
        ValueError: If the kind is unknown, or if the power is 0 everywhere.
    """
    if kind not in ("diagonal", "radial"):
        raise ValueError(f"kind must be diagonal or radial, got {kind!r}")
    energy = power * (frequency if kind == "radial" else 1.0)
    total = energy.sum()
    if not total > 0:
        raise ValueError("the image has no power in its spectrum; is it 0 everywhere?")
    band_number = np.minimum((frequency / frequency[-1] * BANDS).astype(int), BANDS - 1)
    fractions = np.bincount(band_number, energy, BANDS) / total
    return tuple(float(fraction) for fraction in fractions)


def image_bands(image: np.ndarray, kind: str) -> tuple[float, float, float]:
    """Compute the fractions of the energy of an image's structure in three frequency bands; see `band_energies`.

    The mean is subtracted first: it would be nearly all of the energy along a diagonal.

    Args:
        image: real (rows, columns).
        kind: `diagonal` or `radial`, the spectrum that is used.

    Returns:
        Fractions in the low, middle and high third; NaN for a flat image.
    """
    if np.ptp(image) <= FLAT:
        return (np.nan,) * BANDS
    return band_energies(*SPECTRA[kind](image - image.mean(dtype=np.float64)), kind)
