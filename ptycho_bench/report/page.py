"""Tables as one HTML page that needs no other file. The same runs give the same bytes."""

import base64
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from ptycho_bench.benchmark.tables import Block, Table
from ptycho_bench.report.comparisons import comparison_lines
from ptycho_bench.report.notes import group_notes
from ptycho_bench.report.numbers import format_number, label_of
from ptycho_bench.report.wording import (
    CONSTANT,
    constant_text,
    figure_text,
    has_constant,
    interval_lines,
    introduction,
    ours_text,
    paper_text,
    part_text,
    row_heads,
    row_names,
    run_table,
    shortened_remark,
)

Points = Mapping[tuple[object, ...], Sequence[str]]  # numbers of each seed, by group, value, row and metric


def page(
    tables: Sequence[tuple[Table, Mapping[str, bytes]]],
    title: str,
    others: Sequence[tuple[str, str]] = (),
    *,
    folder: Path | None = None,
) -> str:
    """Return an HTML page with sortable tables, statistics, figures and runs.

    Args:
        tables: each table with its figures, PNG by name.
        title: title of the page.
        others: title and relative address of reports on pages of their own.
        folder: folder of the page, from which it links to the configuration of each run; None for no such links.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = files("ptycho_bench.report")
    template = environment.from_string((source / "page.html").read_text())
    inline = {name: (source / f"page.{name}").read_text() for name in ("css", "js")}
    return template.render(
        title=title, tables=[page_table(*table, folder) for table in tables], others=others, **inline
    )


def page_table(table: Table, figures: Mapping[str, bytes], folder: Path | None) -> dict:
    """Return what the page's template needs for a table."""
    epochs = table.results.epochs
    anchor = f"{table.benchmark.name}{'' if epochs is None else f'-{epochs}'}"
    runs = run_table(table)
    runs["id"] = [f"{anchor}-run-{number}" for number in range(len(runs))]
    runs["configuration"] = [configuration(table.results.outputs_dir / run, folder) for run in runs["run"]]
    anchors, points = dict(zip(runs["run"], runs["id"], strict=True)), points_of(table)
    groups = []
    for group in table.benchmark.group_names():
        lines = []
        for block in (block for block in table.blocks if block.group == group):
            lines += [page_line(table, block, row, anchors, points) for row in block.shown]
            lines += [constant_line(table, block)] if has_constant(block) else []
        caption = ", ".join(filter(None, (table.title, group)))
        groups.append({"caption": f"{caption}: {part_text(table)}", "lines": lines, "notes": group_notes(table, group)})
    return {
        "anchor": anchor,
        "title": table.title,
        "remark": shortened_remark(table),
        "introduction": introduction(table),
        "heads": [*row_heads(table), *map(label_of, table.benchmark.metrics)],
        "names": len(row_heads(table)),
        "groups": groups,
        "statistics": [
            {"title": block.title or "Statistics", "lines": comparison_lines(block)} for block in table.blocks
        ],
        "figures": [
            {"name": name, "text": figure_text(table, name), "data": base64.b64encode(png).decode()}
            for name, png in figures.items()
        ],
        "runs": runs.to_dict("records"),
    }


def points_of(table: Table) -> Points:
    """Return the numbers of each seed as text."""
    found = defaultdict(list)
    for line in table.results.frame.dropna(subset=["number", "seed"]).itertuples():
        place = line.group, line.value, line.row, line.metric
        found[place].append(f"seed {line.seed}: {format_number(line.metric, line.number)}")
    return found


def configuration(run: Path, folder: Path | None) -> str:
    """Return the relative address of a run's configuration; an empty string if there is none."""
    file = run / "config.yaml"
    return quote(Path(os.path.relpath(file, folder)).as_posix()) if folder is not None and file.is_file() else ""


def page_line(table: Table, block: Block, row: str, anchors: Mapping[str, str], points: Points) -> dict:
    """Return what the page's template needs for a row, whose numbers link to the first run behind them.

    Args:
        table: the table.
        block: block of the row.
        row: label of the row.
        anchors: place of each run on the page, by its folder.
        points: numbers of each seed.
    """
    runs = block.runs_of(row)
    done = list(runs.loc[runs["status"] == "done", "folder"])
    cells = []
    for metric in table.benchmark.metrics:
        cell = block.places[row, metric]
        text = ours_text(metric, cell)
        hint = [f"{cell.seeds} of {cell.planned} runs", *points.get((block.group, block.value, row, metric), ())]
        cells.append(
            {
                "sort": "" if text == "-" else f"{cell.ours:.10g}",
                "text": text,
                "paper": paper_text(metric, cell),
                "best": row in block.best[metric],
                "run": anchors[done[0]] if done else "",
                "hint": "\n".join(hint + interval_lines(metric, cell)),
            }
        )
    return {
        "names": row_names(table, block, row),
        "cells": cells,
        "command": next(iter(runs["command"]), ""),
        "unfinished": block.unfinished(row),
        "constant": False,
    }


def constant_line(table: Table, block: Block) -> dict:
    """Return what the page's template needs for the scores of a constant guess."""
    texts = {metric: constant_text(block, metric) for metric in table.benchmark.metrics}
    cells = [
        {
            "sort": "" if text == "-" else f"{block.constant(metric):.10g}",
            "text": text,
            **{"paper": "", "best": False, "run": "", "hint": ""},
        }
        for metric, text in texts.items()
    ]
    names = row_names(table, block, CONSTANT)
    return {"names": names, "cells": cells, "command": "", "unfinished": "", "constant": True}
