"""Power spectra of an image, as PPN (diagonal) and CPR (radial) take them, and the energy in three bands."""

import numpy as np

BANDS = 3


def power_spectrum(image: np.ndarray) -> np.ndarray:
    """|FFT|^2 of a real (rows, columns) image, zero frequency at [rows // 2, columns // 2]."""
    if image.ndim != 2 or min(image.shape) < 4:
        raise ValueError(f"a spectrum is taken of an image of at least 4 x 4 px, got {image.shape}")
    return np.square(np.abs(np.fft.fftshift(np.fft.fft2(np.asarray(image, np.float64)))))


def diagonal_spectrum(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power along the diagonal from the zero frequency outward (PPN Fig. 4).

    Args:
        image: real (rows, columns).

    Returns:
        Distance from the zero frequency in cycles / px, and power, each (n,): n is half the shorter side.
    """
    power = power_spectrum(image)
    middle = np.array(power.shape) // 2
    steps = np.arange(min(power.shape) // 2)
    frequency = np.hypot(steps / power.shape[0], steps / power.shape[1])
    return frequency, power[middle[0] + steps, middle[1] + steps]


def radial_spectrum(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean power on rings of spatial frequency (CPR Figs. 7 and 8), up to the Nyquist limit.

    Args:
        image: real (rows, columns).

    Returns:
        Frequency of each ring in cycles / px, and mean power, each (n,): n is half the shorter side, and one.
    """
    power = power_spectrum(image)
    y, x = (np.fft.fftshift(np.fft.fftfreq(side)) for side in power.shape)
    shorter = min(power.shape)
    ring = np.rint(np.hypot(y[:, None], x) * shorter).astype(int).ravel()
    count = shorter // 2 + 1
    inside = ring < count
    pixels = np.bincount(ring[inside], minlength=count)
    return np.arange(count) / shorter, np.bincount(ring[inside], power.ravel()[inside], count) / pixels


def band_energies(frequency: np.ndarray, power: np.ndarray, kind: str) -> tuple[float, float, float]:
    """Shares of the energy in the low, middle and high third of the frequencies; they add up to 1.

    Args:
        frequency: (n,), cycles / px, rising from 0.
        power: (n,).
        kind: diagonal: every value counts as it is; radial: by its frequency, for rings grow with it.

    Raises:
        ValueError: another kind, or an image without any power beyond zero frequency.
    """
    if kind not in ("diagonal", "radial"):
        raise ValueError(f"kind must be diagonal or radial, got {kind!r}")
    energy = power * (frequency if kind == "radial" else 1.0)
    total = energy.sum()
    if not total > 0:
        raise ValueError("the image has no power in its spectrum; is it 0 everywhere?")
    band = np.minimum((frequency / frequency[-1] * BANDS).astype(int), BANDS - 1)
    shares = np.bincount(band, energy, BANDS) / total
    return tuple(float(share) for share in shares)
