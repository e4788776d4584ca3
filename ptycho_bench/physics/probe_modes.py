"""Incoherent modes of a probe, and shifts of a probe by a fraction of a pixel."""

import itertools
import math

import torch
from torch import Tensor

EXTRA_SHARE = 0.02  # share of the power of each added mode


def initial_modes(probe: Tensor, modes: int) -> Tensor:
    """Return the given probe and weak orthogonal copies of it, as the initial modes of a partly coherent beam.

    The copies are the probe times y^a x^b of increasing degree, orthogonalised in that order. Each has 2 % of the
    power, but all of them together have at most half. The result is deterministic.

    Args:
        probe: complex (H, W) or (1, H, W); or (modes, H, W), which is returned unchanged.
        modes: number of modes.

    Returns:
        Complex (modes, H, W) with the power of the given probe; copies are mutually orthogonal.

    Raises:
        ValueError: If modes is below 1 or the probe has another number of modes above 1.
    """
    if modes < 1:
        raise ValueError(f"modes must be at least 1, got {modes}; 1 is a coherent beam")
    given = probe if probe.ndim == 3 else probe[None]
    if len(given) == modes:
        return given
    if len(given) != 1:
        raise ValueError(
            f"the probe has {len(given)} modes, but modes is {modes}; give a probe of 1 mode, or set solver.modes=null"
        )
    probe = given[0]
    share = min(EXTRA_SHARE, 0.5 / max(1, modes - 1))
    power = torch.full((modes,), share, device=probe.device)
    power[0] = 1 - share * (modes - 1)
    return polynomial_copies(probe, modes) * (power.sqrt() * torch.linalg.vector_norm(probe))[:, None, None]


def polynomial_copies(probe: Tensor, count: int) -> Tensor:
    """Return the probe times 1, y, x, y^2, y x, x^2, ..., orthonormalised in that order; complex (count, H, W)."""
    y, x = (torch.linspace(-1, 1, side, device=probe.device) for side in probe.shape)
    degrees = ((total - power, power) for total in itertools.count() for power in range(total + 1))
    copies = [probe * y[:, None] ** a * x**b for a, b in itertools.islice(degrees, count)]
    columns = torch.stack(copies).reshape(count, -1).T
    basis, triangle = torch.linalg.qr(columns)
    return (basis * triangle.diagonal().sgn()).T.reshape(count, *probe.shape)  # sgn keeps the probe's phase


def orthogonal_modes(modes: Tensor) -> Tensor:
    """Return the same partly coherent beam as mutually orthogonal modes, strongest first.

    Modes that add in intensity are determined only up to a unitary mixing; this one makes their inner products zero.

    Args:
        modes: complex (modes, H, W).
    """
    flat = modes.flatten(1)
    _, mixing = torch.linalg.eigh(flat @ flat.mH)
    mixing = mixing.flip(1)
    leading = mixing.gather(0, mixing.abs().argmax(dim=0, keepdim=True))
    return ((mixing * leading.sgn().conj()).mH @ flat).view_as(modes)  # each keeps the phase of its main component


def centring_ramp(height: int, width: int) -> Tensor:
    """Phase ramp exp(2 pi i (y (H // 2) / H + x (W // 2) / W)), complex64 (H, W); a checkerboard of +-1 for even sides.

    The plain FFT of a wavefield multiplied by this ramp has its zero frequency at [H // 2, W // 2].
    """
    y, x = (2 * math.pi * (side // 2) / side * torch.arange(side, dtype=torch.float64) for side in (height, width))
    angle = y[:, None] + x
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def shift_phase(fraction_px: Tensor, height: int, width: int) -> Tensor:
    """Return the factor of a centred spectrum that shifts its wavefield by a fraction of a pixel.

    Args:
        fraction_px: real (n, 2) as (y, x), positive towards higher indices.
        height: height of the wavefield, px.
        width: width of the wavefield, px.

    Returns:
        Complex64 (n, 1, H, W), zero frequency at [H // 2, W // 2].
    """
    frequencies = [(torch.arange(side, device=fraction_px.device) - side // 2) / side for side in (height, width)]
    y, x = (-2 * math.pi * fraction_px[:, axis, None].float() * f for axis, f in enumerate(frequencies))
    angle = y[:, :, None] + x[:, None, :]
    return torch.polar(torch.ones_like(angle), angle)[:, None]
