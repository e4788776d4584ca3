"""Every figure that a benchmark can have, by name."""

import re
from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from ptycho_bench.benchmark.tables import Block, Table
from ptycho_bench.report.charts import bars, box, curves, degradation, pareto
from ptycho_bench.report.drawing import encode_png
from ptycho_bench.report.fields import fields, patches, sections, spectrum


def make_figures(table: Table) -> dict[str, bytes]:
    """Return the figures of a benchmark for which its runs have left the data, PNG by file name without ending.

    Raises:
        ValueError: If the benchmark has an unknown figure.
    """
    found = {}
    for name in table.benchmark.figures:
        if name not in FIGURES:
            raise ValueError(f"benchmark {table.benchmark.name}: no figure {name!r}; known are {', '.join(FIGURES)}")
        for part, figure in FIGURES[name](table).items():
            found["-".join(filter(None, (name, file_name(part))))] = encode_png(figure)
    return found


def file_name(title: str) -> str:
    """Return the title of a group or block as part of a file name.

    >>> file_name("Noise-free, overlap 0.3"), file_name("../x")
    ('noise-free_overlap_0.3', '.._x')
    """
    return re.sub(r"[^\w.+-]+", "_", title.lower())


def per_block(draw: Callable[[Table, Block], Figure | None]) -> Callable[[Table], dict[str, Figure]]:
    """Return the function that draws a figure of each block for which there are data, by the title of the block."""

    def draw_blocks(table: Table) -> dict[str, Figure]:
        drawn = {block.title: draw(table, block) for block in table.blocks}
        return {title: figure for title, figure in drawn.items() if figure is not None}

    return draw_blocks


FIGURES: Mapping[str, Callable[[Table], dict[str, Figure]]] = {
    "bars": per_block(bars),
    "box": per_block(box),
    "curves": curves,
    "fields": per_block(fields),
    "patches": per_block(patches),
    "sections": per_block(sections),
    "spectrum_diagonal": per_block(spectrum("diagonal")),
    "spectrum_radial": per_block(spectrum("radial")),
    "degradation": per_block(degradation),
    "pareto": per_block(pareto),
}
