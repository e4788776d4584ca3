"""Procedural LTEM chart, after the 1951 USAF target: bar triplets of decreasing size, chevrons and squares."""

import math
from typing import Annotated

import torch
from torch import Tensor

from ptycho_bench.physics.bounds import Interval, bounded
from ptycho_bench.physics.specimens.film import Film

CHART_PX = 512

VORTEX = math.nan  # instead of a direction: a flux-closure square


def chart_elements() -> list[tuple[float, float, float, float, float, float]]:
    """Return the film elements of the chart as (top, left, height, width, m_y, m_x), in px of a chart of 512 px.

    Bars are magnetised along their length, as shape anisotropy favours, in a fixed pattern of both directions.
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


@bounded
def ltem_chart(
    *, size_px: Annotated[int, Interval("[64, 4096]", "smaller charts lose their bars")], film: Film
) -> Tensor:
    """Return the transmission of the chart, cut from a permalloy film.

    Bars are magnetised along their length; squares are in a flux-closure state.

    Args:
        size_px: side of the square field; elements scale with it (the chart is designed at 512).
        film: the film that the chart is cut from.

    Returns:
        Complex64 (size_px, size_px).

    Raises:
        ValueError: If size_px is below 64, where bars vanish, or above 4096.
    """
    scale = size_px / CHART_PX
    pattern = torch.zeros(size_px, size_px)
    magnetisation = torch.zeros(2, size_px, size_px)
    for top, left, height, width, m_y, m_x in chart_elements():
        rows = slice(round(top * scale), round((top + height) * scale))
        columns = slice(round(left * scale), round((left + width) * scale))
        pattern[rows, columns] = 1.0
        if math.isnan(m_y):
            side = magnetisation[0, rows, columns].shape
            magnetisation[:, rows, columns] = flux_closure(*side)
        else:
            magnetisation[:, rows, columns] = torch.tensor([m_y, m_x])[:, None, None]
    return film.transmission(pattern, magnetisation)


def flux_closure(height: int, width: int) -> Tensor:
    """Return the Landau state of a rectangle, four domains parallel to their nearest edges; real (2, height, width)."""
    y = torch.linspace(-1, 1, height)[:, None].expand(height, width)
    x = torch.linspace(-1, 1, width)[None, :].expand(height, width)
    along_x = y.abs() >= x.abs()
    return torch.stack((torch.where(along_x, 0.0, x.sign()), torch.where(along_x, -y.sign(), 0.0)))
