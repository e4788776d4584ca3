"""Transmission for hard X-rays of a tungsten film with random etched features: bars, rings, discs and letters.

It stands in for the test pattern of the 26-ID data set of PtychoNN (doi:10.1063/5.0013065), whose phase labels range
from -1.56 to 3.13 rad. The features, their sizes and their depths are not taken from the real pattern.
"""

import math
from typing import Annotated

import torch
from torch import Generator, Tensor

from ptycho_bench.physics.bounds import Angle, Interval, Metres, Positive, Seed, bounded
from ptycho_bench.physics.geometry import photon_wavelength
from ptycho_bench.physics.specimens.objects import transmission

ELECTRON_RADIUS_M, AVOGADRO = 2.8179403e-15, 6.02214076e23  # CODATA
TUNGSTEN_KG_M3, TUNGSTEN_KG_MOL = 19.3e3, 0.18384
LETTERS = {  # strokes from (y, x) to (y, x) in a square from -1 to 1
    "E": ((-1, -1, 1, -1), (-1, -1, -1, 0.6), (0, -1, 0, 0.3), (1, -1, 1, 0.6)),
    "F": ((-1, -1, 1, -1), (-1, -1, -1, 0.6), (0, -1, 0, 0.3)),
    "H": ((-1, -0.7, 1, -0.7), (-1, 0.7, 1, 0.7), (0, -0.7, 0, 0.7)),
    "L": ((-1, -0.6, 1, -0.6), (1, -0.6, 1, 0.6)),
    "T": ((-1, -0.8, -1, 0.8), (-1, 0, 1, 0)),
    "U": ((-1, -0.7, 1, -0.7), (1, -0.7, 1, 0.7), (-1, 0.7, 1, 0.7)),
}


def tungsten_index(*, energy_ev: float, f1: float, f2: float) -> tuple[float, float]:
    """Return delta and beta of the refractive index of tungsten, 1 - delta + i beta.

    Both are r_e lambda^2 / (2 pi) * atoms per volume * f, with f = f1 for delta and f2 for beta.

    >>> delta, beta = tungsten_index(energy_ev=8800.0, f1=68.06, f2=5.004)
    >>> f"{delta:.2e} {beta:.2e}"
    '3.83e-05 2.82e-06'

    Args:
        energy_ev: photon energy.
        f1: real part of the atomic scattering factor at that energy, electrons.
        f2: imaginary part of the atomic scattering factor at that energy, electrons.
    """
    atoms_per_m3 = TUNGSTEN_KG_M3 * AVOGADRO / TUNGSTEN_KG_MOL
    per_electron = ELECTRON_RADIUS_M * photon_wavelength(energy_ev) ** 2 / (2 * math.pi) * atoms_per_m3
    return per_electron * f1, per_electron * f2


@bounded
def tungsten_chart(
    *,
    size_px: Annotated[int, Interval("[1, 4096]")],
    pixel_size_m: Metres,
    energy_ev: Positive,
    f1: Annotated[float, Interval("[-1000, 1000]")],
    f2: Annotated[float, Interval("[0, 1000]")],
    thickness_m: Metres,
    partial_depth: Annotated[float, Interval("(0, 1]", "50 % is written 0.5")],
    etched_fraction: Annotated[float, Interval("(0, 0.9]", "50 % is written 0.5")],
    smallest_m: Metres,
    largest_m: Metres,
    phase_offset_rad: Angle,
    seed: Seed,
) -> Tensor:
    """Return the transmission, in the projection approximation, of a tungsten film with random etched features.

    Args:
        size_px: side of the square field.
        pixel_size_m: side of a pixel.
        energy_ev: photon energy.
        f1: real part of the atomic scattering factor of tungsten at that energy, electrons.
        f2: imaginary part of the atomic scattering factor of tungsten at that energy, electrons.
        thickness_m: thickness of the film.
        partial_depth: depth of half of the features as a fraction of the thickness, (0, 1]; the others go through.
        etched_fraction: fraction of the field to etch, (0, 0.9].
        smallest_m: width of the narrowest stroke and smallest extent of a feature.
        largest_m: largest extent of a feature; extents are drawn uniformly on a logarithmic scale.
        phase_offset_rad: phase where no tungsten is left; tungsten lowers the phase.
        seed: seed of the features.

    Returns:
        Complex64 (size_px, size_px), modulus 1 where no tungsten is left.

    Raises:
        ValueError: If a number is out of bounds, or features are smaller than a pixel or larger than the field.
    """
    if not pixel_size_m <= smallest_m <= largest_m <= size_px * pixel_size_m:
        raise ValueError(
            f"smallest_m and largest_m must lie between a pixel, {pixel_size_m:g} m, and the field, "
            f"{size_px * pixel_size_m:g} m, got {smallest_m:g} and {largest_m:g}"
        )
    delta, beta = tungsten_index(energy_ev=energy_ev, f1=f1, f2=f2)
    depth = etched_depth(
        size_px,
        extents_px=(smallest_m / pixel_size_m, largest_m / pixel_size_m),
        partial_depth=partial_depth,
        etched_fraction=etched_fraction,
        generator=Generator().manual_seed(seed),
    )
    path = 2 * math.pi / photon_wavelength(energy_ev) * thickness_m * (1 - depth)
    return transmission(torch.exp(-beta * path), phase_offset_rad - delta * path)


def etched_depth(
    size_px: int,
    *,
    extents_px: tuple[float, float],
    partial_depth: float,
    etched_fraction: float,
    generator: Generator,
) -> Tensor:
    """Draw random features until enough of the field is etched.

    Where features overlap, the deeper one counts. A pixel that an edge crosses is partly etched.

    Args:
        size_px: side of the square field.
        extents_px: smallest and largest extent of a feature; the smallest is also the narrowest width of a stroke.
        partial_depth: depth of half of the features as a fraction of the thickness; the others go through.
        etched_fraction: fraction of the field to etch.
        generator: random number generator of the features.

    Returns:
        Etched depth as a fraction of the thickness, real (size_px, size_px).
    """
    depth = torch.zeros(size_px, size_px)
    while (depth > 0).float().mean() < etched_fraction:
        draw = torch.rand(8, generator=generator).tolist()
        etch_feature(depth, draw, extents_px=extents_px, partial_depth=partial_depth)
    return depth


def etch_feature(depth: Tensor, draw: list[float], *, extents_px: tuple[float, float], partial_depth: float) -> None:
    """Etch one feature into depth (H, H), in place; what reaches beyond the field is cut off.

    Args:
        depth: etched depth as a fraction of the thickness.
        draw: eight numbers in [0, 1): y, x, extent, angle, kind, whether it is partly etched, and two for its shape.
        extents_px: smallest and largest extent of a feature.
        partial_depth: depth of a partly etched feature.
    """
    y, x, extent, angle, kind, partial, *shape = draw
    smallest, largest = extents_px
    extent = smallest * (largest / smallest) ** extent
    centre = (y * len(depth), x * len(depth))
    reach = math.ceil(0.75 * extent) + 2  # half the diagonal of a square is 0.71 of its side
    rows, columns = (slice(max(0, math.floor(c) - reach), math.ceil(c) + reach) for c in centre)
    window = depth[rows, columns]
    v = torch.arange(rows.start, rows.start + window.shape[0])[:, None] + 0.5 - centre[0]
    u = torch.arange(columns.start, columns.start + window.shape[1]) + 0.5 - centre[1]
    turn = 2 * math.pi * angle
    along, across = u * math.cos(turn) + v * math.sin(turn), v * math.cos(turn) - u * math.sin(turn)
    distance = (bar, ring, disc, letter)[int(4 * kind)](across, along, extent, smallest, shape)
    etched = (0.5 - distance).clamp(0, 1) * (1.0 if partial < 0.5 else partial_depth)
    torch.maximum(window, etched, out=window)


def bar(y: Tensor, x: Tensor, extent: float, narrowest: float, shape: list[float]) -> Tensor:
    """Signed distance to a bar along x, px, negative inside; its width is 0.1 to 0.5 of its length.

    Args:
        y: coordinate across the bar, px from its centre.
        x: coordinate along the bar, px from its centre.
        extent: largest dimension of the feature, px.
        narrowest: smallest width of a stroke, px.
        shape: two numbers in [0, 1) that vary the shape.
    """
    width = max(narrowest, extent * (0.1 + 0.4 * shape[0]))
    return torch.maximum(x.abs() - extent / 2, y.abs() - width / 2)


def disc(y: Tensor, x: Tensor, extent: float, narrowest: float, shape: list[float]) -> Tensor:
    """Signed distance to a disc, px; arguments as in `bar`."""
    return torch.hypot(y, x) - extent / 2


def ring(y: Tensor, x: Tensor, extent: float, narrowest: float, shape: list[float]) -> Tensor:
    """Signed distance to a ring, px, whose stroke is 0.08 to 0.25 of its diameter wide; arguments as in `bar`."""
    width = max(narrowest, extent * (0.08 + 0.17 * shape[0]))
    return (torch.hypot(y, x) - (extent - width) / 2).abs() - width / 2


def letter(y: Tensor, x: Tensor, extent: float, narrowest: float, shape: list[float]) -> Tensor:
    """Signed distance to a letter of strokes 0.1 to 0.2 of its height wide, px; arguments as in `bar`."""
    width = max(narrowest, extent * (0.1 + 0.1 * shape[0]))
    half = max(0.0, extent - width) / 2
    strokes = list(LETTERS.values())[int(len(LETTERS) * shape[1])]
    distances = []
    for y1, x1, y2, x2 in strokes:
        away_y = (y - half * (y1 + y2) / 2).abs() - half * (y2 - y1) / 2
        away_x = (x - half * (x1 + x2) / 2).abs() - half * (x2 - x1) / 2
        distances.append(torch.maximum(away_y, away_x) - width / 2)
    return torch.stack(distances).amin(dim=0)
