"""What every figure of a report shares. Colours are Okabe and Ito's, readable for colour-blind readers."""

import io
import math

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

from ptycho_bench.benchmark.tables import Block, Table

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = "osD^vP*X"
DASHES = ("-", "--", ":", "-.")
DPI = 100


def colour(place: int) -> str:
    """Colour of a row."""
    return COLOURS[place % len(COLOURS)]


def style(place: int) -> dict[str, str]:
    """Colour, marker and dash of a row's curve; no two of the first 32 are alike."""
    return {
        "color": colour(place),
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DASHES[place // len(COLOURS) % len(DASHES)],
    }


def point(place: int) -> dict[str, str]:
    """Colour and marker of a row's point; no two of the first 64 are alike."""
    return {"color": colour(place), "marker": MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]}


def png(figure: plt.Figure) -> bytes:
    """A figure, closed, packed small; without the time it was made, so that the same runs give the same bytes."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    plt.close(figure)
    with Image.open(drawn) as image:
        image.convert("RGB").save(buffer, format="png", optimize=True)  # without transparency a fifth smaller
    return buffer.getvalue()


def panels(
    count: int, *, width: float = 4.2, height: float = 3.4, shared: bool = False
) -> tuple[plt.Figure, list[Axes]]:
    """Axes side by side, four in a row.

    Args:
        count: of them.
        width: of each, inches.
        height: likewise.
        shared: whether all have one vertical axis, which names rows.
    """
    columns = min(count, 4)
    rows = math.ceil(count / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), layout="constrained", squeeze=False, sharey=shared
    )
    flat = list(axes.flat)
    for spare in flat[count:]:
        spare.axis("off")
    return figure, flat[:count]


def titled(table: Table, block: Block) -> str:
    """Title of a block's figure."""
    return ", ".join(filter(None, (table.title, block.title)))
