"""Several incoherent modes of one probe, and probes moved by a fraction of a pixel."""

import itertools
import math

import torch
from torch import Tensor

EXTRA_SHARE = 0.02  # of the power, for each mode that is added


def start_modes(probe: Tensor, modes: int) -> Tensor:
    """The given probe and weak orthogonal copies of it: a start for a partly coherent beam.

    Copies are the probe times y^a x^b of rising degree, orthogonalised in that order; each has 2 % of the power, or all
    of them half where that were more. No random number is drawn.

    Args:
        probe: complex (H, W) or (1, H, W); or (modes, H, W), which stays as it is.
        modes: number of modes.

    Returns:
        Complex (modes, H, W), mutually orthogonal where it made them, with the power of the given probe.

    Raises:
        ValueError: modes below 1, or a probe of another number of modes.
    """
    if modes < 1:
        raise ValueError(f"modes must be at least 1, got {modes}; 1 is a coherent beam")
    given = probe if probe.ndim == 3 else probe[None]
    if len(given) == modes:
        return given
    if len(given) != 1:
        raise ValueError(
            f"the probe has {len(given)} modes, {modes} are asked for; give one of them, or set solver.modes=null"
        )
    probe = given[0]
    share = min(EXTRA_SHARE, 0.5 / max(1, modes - 1))
    power = torch.full((modes,), share, device=probe.device)
    power[0] = 1 - share * (modes - 1)
    return polynomial_copies(probe, modes) * (power.sqrt() * torch.linalg.vector_norm(probe))[:, None, None]


def polynomial_copies(probe: Tensor, count: int) -> Tensor:
    """The probe times 1, y, x, y^2, y x, x^2, ... orthonormalised in that order; complex (count, H, W)."""
    y, x = (torch.linspace(-1, 1, side, device=probe.device) for side in probe.shape)
    degrees = ((total - power, power) for total in itertools.count() for power in range(total + 1))
    copies = [probe * y[:, None] ** a * x**b for a, b in itertools.islice(degrees, count)]
    columns = torch.stack(copies).reshape(count, -1).T
    basis, triangle = torch.linalg.qr(columns)
    return (basis * triangle.diagonal().sgn()).T.reshape(count, *probe.shape)  # sgn: the first is the probe's own phase


def orthogonal_modes(modes: Tensor) -> Tensor:
    """The same partly coherent beam in mutually orthogonal modes, strongest first.

    Modes that add in intensity are fixed up to a unitary mixing; this picks the one that has their inner products zero.

    Args:
        modes: complex (modes, H, W).
    """
    flat = modes.flatten(1)
    _, mixing = torch.linalg.eigh(flat @ flat.mH)
    mixing = mixing.flip(1)
    leading = mixing.gather(0, mixing.abs().argmax(dim=0, keepdim=True))
    return ((mixing * leading.sgn().conj()).mH @ flat).view_as(modes)  # each keeps the phase of its main constituent


def centring_ramp(height: int, width: int) -> Tensor:
    """Phase ramp exp(2 pi i (y (H // 2) / H + x (W // 2) / W)), complex64 (H, W); a checkerboard of +-1 for even sides.

    What is multiplied by it has its zero frequency at [H // 2, W // 2] of a plain FFT.
    """
    y, x = (2 * math.pi * (side // 2) / side * torch.arange(side, dtype=torch.float64) for side in (height, width))
    angle = y[:, None] + x
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def shift_phase(fraction_px: Tensor, height: int, width: int) -> Tensor:
    """What moves a wavefield by a fraction of a pixel once its centred spectrum is multiplied by it.

    Args:
        fraction_px: real (n, 2) as (y, x), towards higher indices.
        height: of the wavefield.
        width: of the wavefield.

    Returns:
        Complex64 (n, 1, H, W), zero frequency at [H // 2, W // 2].
    """
    frequencies = [(torch.arange(side, device=fraction_px.device) - side // 2) / side for side in (height, width)]
    y, x = (-2 * math.pi * fraction_px[:, axis, None].float() * f for axis, f in enumerate(frequencies))
    angle = y[:, :, None] + x[:, None, :]
    return torch.polar(torch.ones_like(angle), angle)[:, None]
