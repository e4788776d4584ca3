"""Test objects: amplitude and phase to a complex transmission function, and the procedural LTEM chart."""

import math

import torch
from torch import Tensor

PLANCK_J_S, ELECTRON_C, ELECTRON_KG, LIGHT_M_S = 6.62607015e-34, 1.602176634e-19, 9.1093837e-31, 299792458.0
FLUX_QUANTUM_T_M2 = PLANCK_J_S / (2 * ELECTRON_C)
CHART_PX = 512

VORTEX = math.nan  # in place of a direction: a flux-closing square


def transmission(amplitude: Tensor, phase: Tensor) -> Tensor:
    """Complex transmission function amplitude * exp(i phase).

    Args:
        amplitude: real (..., H, W), not negative.
        phase: real (..., H, W), radians.

    Raises:
        ValueError: the shapes differ, or the amplitude is negative somewhere.
    """
    if amplitude.shape != phase.shape:
        raise ValueError(f"amplitude is {tuple(amplitude.shape)}, phase {tuple(phase.shape)}; give both the same shape")
    if amplitude.min() < 0:
        raise ValueError(f"amplitude must be >= 0, got {amplitude.min():g}; take its modulus first")
    return torch.polar(amplitude, phase)


def wrap_phase(phase: Tensor) -> Tensor:
    """Phase in radians brought to [-pi, pi)."""
    return torch.remainder(phase + math.pi, 2 * math.pi) - math.pi


def rescale(amplitude: Tensor, phase: Tensor, *, scaling: str) -> tuple[Tensor, Tensor]:
    """Amplitude and phase as an experiment uses them.

    Args:
        amplitude: real (H, W).
        phase: real (H, W), radians.
        scaling: `published`: amplitude 0.5 + 0.5 minmax, phase -(pi/3) (phase + pi) / (2 pi), as the PPN code does;
            `wrapped`: same amplitude, phase at its full span, wrapped; `none`: both as they are.

    Raises:
        ValueError: an unknown scaling, or `published` of an amplitude with one value only.
    """
    if scaling == "none":
        return amplitude, phase
    if scaling not in ("published", "wrapped"):
        raise ValueError(f"scaling must be published, wrapped or none, got {scaling!r}")
    span = amplitude.max() - amplitude.min()
    if span == 0:
        raise ValueError(f"amplitude is {amplitude.max():g} everywhere and has no range; use scaling: none")
    amplitude = 0.5 + 0.5 * (amplitude - amplitude.min()) / span
    if scaling == "wrapped":
        return amplitude, wrap_phase(phase)
    return amplitude, -(math.pi / 3) * (phase + math.pi) / (2 * math.pi)


def interaction_constant(voltage_v: float) -> float:
    """Phase an electron gains per volt of inner potential and metre of path, rad / (V m), relativistic.

    >>> round(interaction_constant(300e3) * 1e-9, 6)
    0.006526
    """
    rest_ev = ELECTRON_KG * LIGHT_M_S**2 / ELECTRON_C
    wavelength_m = PLANCK_J_S * LIGHT_M_S / (ELECTRON_C * math.sqrt(voltage_v * (voltage_v + 2 * rest_ev)))
    return 2 * math.pi / wavelength_m * (voltage_v + rest_ev) / (voltage_v * (voltage_v + 2 * rest_ev))


def magnetic_phase(magnetisation: Tensor, *, thickness_m: float, pixel_size_m: float, induction_t: float) -> Tensor:
    """Aharonov-Bohm phase of a thin film's in-plane magnetisation, computed in Fourier space.

    phi(q) = (i pi B0 t / phi0) (m x q)_z / |q|^2 with angular frequency q and the flux quantum phi0 = h / 2e
    (Beleggia and Zhu, doi:10.1080/0141861021000055687). The field is padded to twice its size, so that the stray
    phase of one edge does not return at the other.

    Args:
        magnetisation: real (2, H, W), direction (y, x) of modulus 0 or 1.
        thickness_m: film thickness.
        pixel_size_m: side of a pixel.
        induction_t: saturation induction mu0 Ms.

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


def chart_elements() -> list[tuple[float, float, float, float, float, float]]:
    """Film elements of the chart after the 1951 USAF target: (top, left, height, width, m_y, m_x), in px of 512.

    Bars are magnetised along their length, as shape anisotropy asks, in a fixed pattern of both directions.
    """
    elements = []

    def triplets(top: float, left: float, bar: float, turn: int) -> None:
        length = 5 * bar
        for k in range(3):
            sign = 1.0 if (k + turn) % 2 else -1.0
            elements.append((top + 2 * bar * k, left, bar, length, 0.0, sign))
            elements.append((top, left + 7 * bar + 2 * bar * k, length, bar, -sign, 0.0))

    def chevron(top: float, left: float, bar: float, arm: float, right: bool) -> None:
        across = top if right else top + arm - bar
        upright = left + arm - bar if right else left
        elements.append((across, left, bar, arm, 0.0, 1.0))
        elements.append((top, upright, arm, bar, -1.0, 0.0))

    top = 18.0
    for turn, bar in enumerate((9.0, 12.0, 15.0, 18.0, 17.0)):
        triplets(top, 24.0, bar, turn)
        top += 5 * bar + 29
    top = 214.0
    for turn, bar in enumerate((3.0, 4.0, 5.0, 6.0, 7.0, 8.0)):
        triplets(top, 400.0 - 6 * bar + 24, bar, turn)
        top += 5 * bar + 22
    for k in range(4):
        chevron(20.0 + 4 * k, 252.0 + 24 * k, 12.0 - 2.5 * k, 92.0 - 24 * k, right=False)
        chevron(22.0 + 24 * k, 392.0 + 4 * k, 12.0 - 2.5 * k, 92.0 - 24 * k, right=True)
    for top, left, side in ((132, 252, 64), (148, 334, 44), (160, 396, 30), (414, 262, 80), (330, 290, 36)):
        elements.append((top, left, side, side, VORTEX, VORTEX))
    return elements


def ltem_chart(
    *,
    size_px: int,
    pixel_size_m: float,
    thickness_m: float,
    inner_potential_v: float,
    induction_t: float,
    voltage_v: float,
    film_amplitude: float,
    scaling: str,
) -> Tensor:
    """Resolution chart cut from a permalloy film, as Lorentz electron microscopy sees it.

    Amplitude has two levels; phase is the electrostatic part (interaction constant x inner potential x thickness)
    plus the magnetic part of bars magnetised along their length and of flux-closing squares.

    Args:
        size_px: side of the square field; elements scale with it (512 is the chart's own size).
        pixel_size_m: side of a pixel.
        thickness_m: film thickness.
        inner_potential_v: mean inner potential of the film.
        induction_t: saturation induction of the film.
        voltage_v: accelerating voltage.
        film_amplitude: modulus of the film's transmission; the support's is 1.
        scaling: see `rescale`.

    Returns:
        Complex64 (size_px, size_px).

    Raises:
        ValueError: size_px under 64, where bars vanish, or a film amplitude outside (0, 1).
    """
    if size_px < 64:
        raise ValueError(f"size_px must be at least 64, got {size_px}; smaller charts lose their bars")
    if not 0 < film_amplitude < 1:
        raise ValueError(f"film_amplitude must lie in (0, 1), got {film_amplitude}; the support transmits 1")
    scale = size_px / CHART_PX
    film = torch.zeros(size_px, size_px)
    magnetisation = torch.zeros(2, size_px, size_px)
    for top, left, height, width, m_y, m_x in chart_elements():
        rows = slice(round(top * scale), round((top + height) * scale))
        columns = slice(round(left * scale), round((left + width) * scale))
        film[rows, columns] = 1.0
        if math.isnan(m_y):
            side = magnetisation[0, rows, columns].shape
            magnetisation[:, rows, columns] = flux_closure(*side)
        else:
            magnetisation[:, rows, columns] = torch.tensor([m_y, m_x])[:, None, None]
    phase = interaction_constant(voltage_v) * inner_potential_v * thickness_m * film
    phase += magnetic_phase(magnetisation, thickness_m=thickness_m, pixel_size_m=pixel_size_m, induction_t=induction_t)
    return transmission(*rescale(1 - (1 - film_amplitude) * film, phase, scaling=scaling))


def flux_closure(height: int, width: int) -> Tensor:
    """Landau state of a rectangle: four domains, each along its nearest edge; real (2, height, width) as (y, x)."""
    y = torch.linspace(-1, 1, height)[:, None].expand(height, width)
    x = torch.linspace(-1, 1, width)[None, :].expand(height, width)
    along_x = y.abs() >= x.abs()
    return torch.stack((torch.where(along_x, 0.0, x.sign()), torch.where(along_x, -y.sign(), 0.0)))
