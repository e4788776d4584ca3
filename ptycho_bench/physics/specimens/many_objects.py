"""Many small random objects of different kinds in one field: train on some of them, test on others never seen."""

import math
from typing import Annotated

import torch
from torch import Generator, Tensor

from ptycho_bench.physics.bounds import Interval, Positive, Seed, Share, bounded
from ptycho_bench.physics.specimens.objects import transmission
from ptycho_bench.physics.specimens.random_patterns import PATTERNS, Draw

LEAST_CONTRAST = 0.2  # between the largest and the smallest amplitude of an object


@bounded
def many_objects(
    *,
    size_px: Annotated[int, Interval("[32, 4096]")],
    object_px: Annotated[int, Interval("[32, 4096]", "features of smaller objects vanish")],
    smallest_amplitude: Annotated[float, Interval("(0, 0.8]")],
    phase_span_rad: tuple[Positive, Positive],
    shared_fraction: Share,
    seed: Seed,
) -> Tensor:
    """Return the transmission of a mosaic of square objects, each drawn independently of the others.

    An object's amplitude and phase each have one of the patterns in `random_patterns.PATTERNS`, all equally likely.

    Args:
        size_px: side of the square field, a multiple of object_px.
        object_px: side of an object.
        smallest_amplitude: lower bound of the amplitude, whose smallest and largest value are drawn uniformly for each
            object, at least 0.2 apart; the upper bound is 1.
        phase_span_rad: smallest and largest phase span of an object; spans are drawn uniformly on a logarithmic scale.
            The phase of each object is centred at 0.
        shared_fraction: probability that amplitude and phase of an object have the same pattern.
        seed: seed of all draws.

    Returns:
        Complex64 (size_px, size_px).

    Raises:
        ValueError: If a value is out of bounds.
    """
    check_sizes(size_px, object_px, phase_span_rad)
    draw = Draw(Generator().manual_seed(seed))
    field = torch.empty(size_px, size_px, dtype=torch.complex64)
    for top in range(0, size_px, object_px):
        for left in range(0, size_px, object_px):
            obj = draw_object(object_px, draw, smallest_amplitude, phase_span_rad, shared_fraction)
            field[top : top + object_px, left : left + object_px] = obj
    return field


def draw_object(
    side: int, draw: Draw, smallest_amplitude: float, phase_span_rad: tuple[float, float], shared_fraction: float
) -> Tensor:
    """Return the transmission of one object, complex64 (side, side); see `many_objects`."""
    pattern = draw_pattern(side, draw)
    other = pattern if draw.chance(shared_fraction) else draw_pattern(side, draw)
    low = draw.uniform(smallest_amplitude, 1 - LEAST_CONTRAST)
    high = draw.uniform(low + LEAST_CONTRAST, 1)
    phase = draw.log_uniform(*phase_span_rad) * (other - 0.5)
    return transmission(low + (high - low) * pattern, -phase if draw.chance(0.5) else phase)


def draw_pattern(side: int, draw: Draw) -> Tensor:
    """Return a random pattern from 0 to 1, real (side, side); half of the patterns are inverted."""
    kind = list(PATTERNS)[draw.whole(0, len(PATTERNS) - 1)]
    pattern = PATTERNS[kind](side, draw)
    pattern = (pattern - pattern.min()) / (pattern.max() - pattern.min())
    return 1 - pattern if draw.chance(0.5) else pattern


def check_sizes(size_px: int, object_px: int, phase_span_rad: tuple[float, float]) -> None:
    """Raise ValueError if values that `many_objects` takes do not fit together."""
    if size_px < object_px or size_px % object_px:
        raise ValueError(f"size_px must be a multiple of object_px, {object_px}, got {size_px}; change one of them")
    low, high = phase_span_rad
    if not 0 < low <= high < 2 * math.pi:
        raise ValueError(
            f"phase_span_rad must be two spans between 0 and 2 pi, the smaller one first, got {[low, high]}; a larger "
            "one would wrap"
        )
