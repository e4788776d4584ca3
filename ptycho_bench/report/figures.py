"""Every figure a benchmark can ask for, by name: PNG bytes."""

from collections.abc import Callable, Mapping

from ptycho_bench.benchmark.collect import Collected
from ptycho_bench.benchmark.tables import Block, Table
from ptycho_bench.report.charts import bars, box, curves, degradation, pareto
from ptycho_bench.report.fields import drawn_patches, fields, sections, spectrum


def make_figures(collected: Collected, table: Table) -> dict[str, bytes]:
    """Every figure a benchmark asks for that its runs can fill, PNG by name.

    Raises:
        ValueError: an unknown figure.
    """
    found = {}
    for name in table.benchmark.figures:
        if name not in DRAWN:
            raise ValueError(f"benchmark {table.benchmark.name}: no figure {name!r}; there are {', '.join(DRAWN)}")
        found |= DRAWN[name](collected, table)
    return found


def per_block(draw: Callable[[Collected, Table, Block], bytes | None], name: str) -> Callable:
    """A figure for each block of a table, where its runs can fill it."""

    def drawn(collected: Collected, table: Table) -> dict[str, bytes]:
        found = {}
        for block in table.blocks:
            picture = draw(collected, table, block)
            if picture is not None:
                found["-".join(filter(None, (name, block.title.lower().replace(" ", "_").replace(",", ""))))] = picture
        return found

    return drawn


DRAWN: Mapping[str, Callable[[Collected, Table], dict[str, bytes]]] = {
    "bars": per_block(bars, "bars"),
    "box": per_block(box, "box"),
    "curves": curves,
    "fields": per_block(fields, "fields"),
    "patches": per_block(drawn_patches, "patches"),
    "sections": per_block(sections, "sections"),
    "spectrum_diagonal": per_block(spectrum("diagonal"), "spectrum_diagonal"),
    "spectrum_radial": per_block(spectrum("radial"), "spectrum_radial"),
    "degradation": per_block(degradation, "degradation"),
    "pareto": per_block(pareto, "pareto"),
}
