"""A test object of curves (rings, arcs, spirals and letters), unlike the bars of `ltem_chart`; never used for training.

It stands in for the logo in Fig. 6 of PPN and in Table II of its draft.
"""

import math
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from ptycho_bench.physics.bounds import Interval, bounded
from ptycho_bench.physics.specimens.film import Film

CHART_PX = 512


class Stroke(NamedTuple):
    """A line through points, real (n, 2) as (y, x), and its width, both in px of a chart of 512 px."""

    points: Tensor
    width: float


def arc(y: float, x: float, radius: float, start_deg: float, end_deg: float, width: float) -> Stroke:
    """Return an arc of a circle; angles run from the x axis towards the y axis, which points down."""
    return spiral(y, x, radius, radius, start_deg, end_deg, width)


def spiral(
    y: float, x: float, first_radius: float, last_radius: float, start_deg: float, end_deg: float, width: float
) -> Stroke:
    """Return an Archimedean spiral about (y, x); angles as in `arc`."""
    count = max(8, round(abs(end_deg - start_deg) / 4))
    angle = torch.linspace(math.radians(start_deg), math.radians(end_deg), count)
    radius = torch.linspace(first_radius, last_radius, count)
    return Stroke(torch.stack((y + radius * angle.sin(), x + radius * angle.cos()), dim=1), width)


def alternating(k: int, start_deg: float, end_deg: float) -> tuple[float, float]:
    """Return both angles, swapped for odd k: neighbours have opposite magnetisation, so phases do not accumulate."""
    return (end_deg, start_deg) if k % 2 else (start_deg, end_deg)


def half_turn(y: float, x: float, first: float, last: float, turn: int, turns: int, width: float) -> Stroke:
    """Return one half turn of a spiral from the first radius to the last; half turns alternate in magnetisation."""
    inner, outer = (first + (last - first) * k / turns for k in (turn, turn + 1))
    angles = 180 * turn, 180 * (turn + 1)
    if turn % 2:
        inner, outer, angles = outer, inner, angles[::-1]
    return spiral(y, x, inner, outer, *angles, width)


def letter_strokes(name: str, top: float, left: float, height: float, width: float) -> list[Stroke]:
    """Return the straight strokes and arcs of a capital letter of PTYCHO, 0.6 times as wide as high."""

    def line(*points: tuple[float, float]) -> Stroke:
        return Stroke(torch.tensor([(top + height * y, left + height * x) for y, x in points]), width)

    def bow(y: float, x: float, radius: float, start_deg: float, end_deg: float) -> Stroke:
        return arc(top + height * y, left + height * x, height * radius, start_deg, end_deg, width)

    glyphs = {
        "P": [line((1, 0), (0, 0), (0, 0.3)), bow(0.28, 0.3, 0.28, -90, 90), line((0.56, 0.3), (0.56, 0))],
        "T": [line((0, 0), (0, 0.6)), line((0, 0.3), (1, 0.3))],
        "Y": [line((0, 0), (0.5, 0.3), (1, 0.3)), line((0, 0.6), (0.5, 0.3))],
        "C": [bow(0.3, 0.3, 0.3, 315, 180), line((0.3, 0), (0.7, 0)), bow(0.7, 0.3, 0.3, 180, 45)],
        "H": [line((0, 0), (1, 0)), line((0, 0.6), (1, 0.6)), line((0.5, 0), (0.5, 0.6))],
        "O": [
            bow(0.3, 0.3, 0.3, 180, 360),
            line((0.3, 0.6), (0.7, 0.6)),
            bow(0.7, 0.3, 0.3, 0, 180),
            line((0.7, 0), (0.3, 0)),
        ],
    }
    return glyphs[name]


def chart_strokes() -> list[Stroke]:
    """Return the strokes of the chart."""
    strokes = []
    for k, (radius, width) in enumerate(((88, 12), (64, 9), (44, 7), (28, 5), (14, 4))):
        strokes.append(arc(120, 120, radius, *alternating(k, 0, 360), width))
    for k in range(7):
        strokes.append(arc(200, 300, 36 + 22 * k, *alternating(k, -88, -6 - 8 * k), 10 - k))
    for turn in range(9):
        strokes.append(half_turn(392, 120, 6, 92, turn, 9, 8))
    for turn in range(7):
        strokes.append(half_turn(436, 430, 58, 8, turn, 7, 5))
    for k in range(5):
        strokes.append(arc(336 + 18 * (k % 2), 262 + 44 * k, 26, *alternating(k, 200, 340), 4 + k))
    for k, name in enumerate("PTYCHO"):
        strokes += letter_strokes(name, 228, 40 + 74 * k, 66, 10)
        strokes += letter_strokes(name, 368, 236 + 22 * k, 22, 4)
        strokes += letter_strokes(name, 408, 236 + 20 * k, 34 - 4 * k, 5 - 0.5 * k)
    return strokes


@bounded
def curved_chart(
    *, size_px: Annotated[int, Interval("[64, 4096]", "smaller charts lose their strokes")], film: Film
) -> Tensor:
    """Return the transmission of curves cut from a permalloy film, each magnetised along its length.

    Args:
        size_px: side of the square field; strokes scale with it (the chart is designed at 512).
        film: the film that the chart is cut from.

    Returns:
        Complex64 (size_px, size_px).

    Raises:
        ValueError: If size_px is below 64, where strokes vanish, or above 4096.
    """
    pattern = torch.zeros(size_px, size_px)
    magnetisation = torch.zeros(2, size_px, size_px)
    for stroke in chart_strokes():
        draw_stroke(stroke, size_px / CHART_PX, pattern, magnetisation)
    return film.transmission(pattern, magnetisation)


def draw_stroke(stroke: Stroke, scale: float, pattern: Tensor, magnetisation: Tensor) -> None:
    """Draw a stroke into pattern (H, W) and magnetisation (2, H, W), in place; it overwrites the strokes it crosses."""
    points, reach = stroke.points * scale, stroke.width * scale / 2
    low = (points.amin(dim=0) - reach).floor().clamp(min=0).long().tolist()
    high = (points.amax(dim=0) + reach).ceil().long().tolist()
    rows, columns = (slice(first, last + 1) for first, last in zip(low, high, strict=True))
    window = pattern[rows, columns]
    if not window.numel():
        return
    y = torch.arange(low[0], low[0] + window.shape[0], dtype=points.dtype)
    x = torch.arange(low[1], low[1] + window.shape[1], dtype=points.dtype)
    distance, nearest = distance_to_line(torch.cartesian_prod(y, x), points)
    along = points.diff(dim=0)
    direction = (along / along.norm(dim=1, keepdim=True))[nearest]
    inside = (distance <= reach).view(window.shape)
    window[inside] = 1.0
    magnetisation[:, rows, columns][:, inside] = direction.T[:, inside.flatten()]


def distance_to_line(pixels: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance of each pixel to a line of straight segments, and the index of the nearest segment.

    Args:
        pixels: real (N, 2), as (y, x).
        points: real (n, 2), the ends of the n - 1 segments, none of which has length 0.

    Returns:
        Distance, real (N,), and index, int64 (N,).
    """
    start, along = points[:-1], points.diff(dim=0)
    offset = pixels[:, None] - start
    share = ((offset * along).sum(dim=-1) / along.square().sum(dim=-1)).clamp(0, 1)
    return (offset - share[..., None] * along).norm(dim=-1).min(dim=1)
