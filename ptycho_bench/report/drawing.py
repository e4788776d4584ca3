"""Colours, panels and encoding that the figures of a report share. Colour-blind readers can distinguish the colours."""

import io
import math
from collections.abc import Iterable

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.text import Text
from PIL import Image

from ptycho_bench.benchmark.tables import Block, Table

# Okabe and Ito's colours
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = "osD^vP*X"
DASHES = ("-", "--", ":", "-.")
DPI = 100
COLUMNS = 4  # panels side by side


def row_colour(place: int) -> str:
    """Return the colour of a row, by its place in the table."""
    return COLOURS[place % len(COLOURS)]


def line_style(place: int) -> dict[str, str]:
    """Return colour, marker and dash of a row's curve; they differ between any two of the first 32 rows."""
    return {
        "color": row_colour(place),
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DASHES[place // len(COLOURS) % len(DASHES)],
    }


def point_style(place: int) -> dict[str, str]:
    """Return colour and marker of a row's point; they differ between any two of the first 64 rows."""
    return {"color": row_colour(place), "marker": MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]}


def encode_png(figure: plt.Figure) -> bytes:
    """Encode a figure as PNG without a time stamp, so that the same runs give the same bytes, and close it."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    escape_dollars(figure)
    figure.savefig(drawn, format="png", dpi=DPI)
    plt.close(figure)
    with Image.open(drawn) as image:
        image.convert("RGB").save(buffer, format="png", optimize=True)  # a fifth smaller without transparency
    return buffer.getvalue()


def escape_dollars(figure: plt.Figure) -> None:
    """Escape dollars in the titles and labels of a figure, where they begin no formula; see also `tick_names`."""
    for text in figure.findobj(Text):
        text.set_text(text.get_text().replace("$", r"\$"))


def tick_names(names: Iterable[str]) -> list[str]:
    """Return names for the ticks of an axis, which matplotlib writes only when it draws, with escaped dollars."""
    return [name.replace("$", r"\$") for name in names]


def panels(
    count: int, *, width: float = 4.2, height: float = 3.4, shared: bool = False
) -> tuple[plt.Figure, list[Axes]]:
    """Return a figure with panels, four side by side.

    Args:
        count: number of panels.
        width: width of a panel, inches.
        height: height of a panel, inches.
        shared: whether all panels share their vertical axis, which names rows.
    """
    columns = min(count, COLUMNS)
    rows = math.ceil(count / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), layout="constrained", squeeze=False, sharey=shared
    )
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.axis("off")
    return figure, flat[:count]


def block_title(table: Table, block: Block) -> str:
    """Return the title of a figure of one block."""
    return ", ".join(filter(None, (table.title, block.title)))
