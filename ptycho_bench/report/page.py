"""Tables as one HTML page that needs nothing beside it. The same runs give the same bytes."""

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files

from ptycho_bench.benchmark.tables import Block, Line, Table, better_first, label_of
from ptycho_bench.report.wording import (
    about,
    first_column,
    names_of,
    order_lines,
    ours_text,
    paper_text,
    run_facts,
    runs_of,
    test_lines,
)


def page(
    tables: Sequence[tuple[Table, Mapping[str, bytes]]], title: str, others: Sequence[tuple[str, str]] = ()
) -> str:
    """One HTML page that needs nothing beside it: sortable tables, statistics, figures, runs.

    Args:
        tables: each with its figures, PNG by name; of those without, `others` may lead to pages that have them.
        title: of the page.
        others: titles of reports on pages of their own, and where they lie.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("ptycho_bench.report") / "page.html").read_text())
    shown = [page_table(table, figures) for table, figures in tables]
    return template.render(title=title, tables=shown, others=others)


def page_table(table: Table, figures: Mapping[str, bytes]) -> dict:
    """What the page's template asks for of a table."""
    metrics = table.benchmark.metrics
    runs = runs_of(table)
    anchor = f"{table.benchmark.name}{'' if table.epochs is None else f'-{table.epochs}'}"
    numbers = {entry.folder: f"{anchor}-run-{place}" for place, entry in enumerate(runs)}
    groups = []
    for group in table.benchmark.groups():
        blocks = [block for block in table.blocks if block.group == group]
        lines = [page_line(table, block, line, numbers) for block in blocks for line in block.lines]
        groups.append({"name": group, "lines": lines})
    return {
        "anchor": anchor,
        "title": table.title,
        "about": about(table).replace("**", ""),
        "shortened": table.epochs is not None,
        "heads": [*first_column(table), *map(label_of, metrics)],
        "names": len(first_column(table)),
        "groups": groups,
        "statistics": [
            {"title": block.title or "Statistics", "lines": [*order_lines(table, block), *test_lines(block)]}
            for block in table.blocks
        ],
        "figures": [{"name": name, "data": base64.b64encode(png).decode()} for name, png in figures.items()],
        "runs": [{"id": numbers[entry.folder], **run_facts(entry)} for entry in runs],
    }


def page_line(table: Table, block: Block, line: Line, numbers: Mapping[str, str]) -> dict:
    """A line of a table on the page: each number leads to the runs behind it."""
    cells = []
    for metric, direction in table.benchmark.metrics.items():
        cell = line.cells[metric]
        best = better_first(block.lines, metric, direction)[:1] == [line]
        done = [entry for entry in line.entries if entry.status == "done"]
        cells.append(
            {
                "sort": "" if cell.ours is None else f"{cell.ours.mean:.10g}",
                "text": ours_text(metric, cell),
                "paper": paper_text(metric, cell),
                "best": best,
                "run": numbers[done[0].folder] if done else "",
                "hint": f"{cell.done} of {cell.planned} runs: " + ", ".join(entry.folder for entry in done),
            }
        )
    return {"names": names_of(line, table), "cells": cells, "lacking": line.lacking}
