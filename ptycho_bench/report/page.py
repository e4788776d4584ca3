"""Tables as one HTML page that needs no other file. The same runs give the same bytes."""

import base64
from collections.abc import Mapping, Sequence
from importlib.resources import files

from ptycho_bench.benchmark.tables import Block, Table, label_of
from ptycho_bench.report.wording import (
    introduction,
    order_lines,
    ours_text,
    paper_text,
    row_heads,
    row_names,
    run_table,
    shortened_remark,
    significance_lines,
)


def page(
    tables: Sequence[tuple[Table, Mapping[str, bytes]]], title: str, others: Sequence[tuple[str, str]] = ()
) -> str:
    """Return an HTML page with sortable tables, statistics, figures and runs.

    Args:
        tables: each table with its figures, PNG by name.
        title: title of the page.
        others: title and relative address of reports on pages of their own.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("ptycho_bench.report") / "page.html").read_text())
    return template.render(title=title, tables=[page_table(*table) for table in tables], others=others)


def page_table(table: Table, figures: Mapping[str, bytes]) -> dict:
    """Return what the page's template needs for a table."""
    epochs = table.results.epochs
    anchor = f"{table.benchmark.name}{'' if epochs is None else f'-{epochs}'}"
    runs = run_table(table)
    runs["id"] = [f"{anchor}-run-{number}" for number in range(len(runs))]
    anchors = dict(zip(runs["run"], runs["id"], strict=True))
    groups = []
    for group in table.benchmark.group_names():
        blocks = [block for block in table.blocks if block.group == group]
        lines = [page_line(table, block, row, anchors) for block in blocks for row in block.rows]
        groups.append({"name": group, "lines": lines})
    return {
        "anchor": anchor,
        "title": table.title,
        "remark": shortened_remark(table),
        "introduction": introduction(table),
        "heads": [*row_heads(table), *map(label_of, table.benchmark.metrics)],
        "names": len(row_heads(table)),
        "groups": groups,
        "statistics": [
            {"title": block.title or "Statistics", "lines": [*order_lines(table, block), *significance_lines(block)]}
            for block in table.blocks
        ],
        "figures": [{"name": name, "data": base64.b64encode(png).decode()} for name, png in figures.items()],
        "runs": runs.to_dict("records"),
    }


def page_line(table: Table, block: Block, row: str, anchors: Mapping[str, str]) -> dict:
    """Return what the page's template needs for a row, whose numbers link to the first run behind them.

    Args:
        table: the table.
        block: block of the row.
        row: label of the row.
        anchors: place of each run on the page, by its folder.
    """
    runs = block.runs_of(row)
    done = list(runs.loc[runs["status"] == "done", "folder"])
    cells = []
    for metric, direction in table.benchmark.metrics.items():
        cell = block.places[row, metric]
        text = ours_text(metric, cell)
        cells.append(
            {
                "sort": "" if text == "-" else f"{cell.ours:.10g}",
                "text": text,
                "paper": paper_text(metric, cell),
                "best": block.ranked(metric, direction)[:1] == [row],
                "run": anchors[done[0]] if done else "",
                "hint": f"{cell.seeds} of {cell.planned} runs: {', '.join(done)}",
            }
        )
    return {"names": row_names(table, block, row), "cells": cells, "unfinished": block.unfinished(row)}
