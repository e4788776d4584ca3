"""A table as Markdown and CSV. The same runs give the same bytes."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pandas

from ptycho_bench.benchmark.collect import CELL, LEAKAGE
from ptycho_bench.benchmark.tables import Block, Table
from ptycho_bench.report.comparisons import comparison_lines
from ptycho_bench.report.notes import group_notes
from ptycho_bench.report.numbers import label_of
from ptycho_bench.report.wording import (
    CONSTANT,
    constant_text,
    has_constant,
    introduction,
    ours_text,
    paper_text,
    row_heads,
    row_names,
    run_table,
    shortened_remark,
)

HTML_TAG = re.compile(r"<(?=[A-Za-z/!?])")
LINK = re.compile(r"\](?=[(\[:])")  # the end of the text of a link, image or footnote in Markdown
PAIR_COLUMNS = ["group", "value", "metric", "first", "second", "difference", "low", "high", "p", "effect"]
TABLE_COLUMNS = {"ours": "", "std": "_std", "low": "_low", "high": "_high", "block_low": "_block_low",
                 "block_high": "_block_high", "seeds": "_seeds", "constant": "_constant", "not_learned": "_not_learned",
                 "paper": "_paper", "paper_std": "_paper_std"}  # fmt: skip
SEED_COLUMNS = ["row", "group", "value", "seed", "status", "reason", "folder", "choices", "epochs", "commit", "data",
                "machine", "seconds", "not_learned", *LEAKAGE, "command"]  # fmt: skip


def markdown(table: Table, figures: Sequence[str]) -> str:
    """Return the table, its statistics, its figures and its runs as Markdown.

    No text of a benchmark or a run acts as HTML, link or image.

    Args:
        table: the table.
        figures: paths of its figures, relative to the file.
    """
    remark = shortened_remark(table)
    parts = [f"# {table.title}", f"**{remark}**" if remark else "", introduction(table), markdown_tables(table)]
    parts.append("\n".join(statistics_lines(table)).rstrip())
    drawn = [f"![{Path(figure).stem}]({quote(figure)})" for figure in figures]
    runs = run_table(table)
    runs["command"] = runs["command"].map(lambda command: f"`{command}`" if command else "")
    tail = f"## Runs\n\n{markdown_table(runs)}"
    return "\n\n".join(filter(None, (*map(inert, parts), *drawn, inert(tail)))) + "\n"


def inert(text: str) -> str:
    """Return Markdown in which nothing acts as HTML, link or image; tables and emphasis stay.

    >>> inert("<b> [here](javascript:x)")
    '&lt;b> [here\\\\](javascript:x)'
    """
    return LINK.sub(r"\\]", HTML_TAG.sub("&lt;", text))


def markdown_tables(table: Table) -> str:
    """Return a Markdown table for each group, and the notes below it."""
    parts = []
    for group in table.benchmark.group_names():
        frames = [text_frame(table, block) for block in table.blocks if block.group == group and block.shown]
        parts += [f"**{group}**"] if group else []
        if frames:
            numbers = [label_of(metric) for metric in table.benchmark.metrics]
            parts.append(markdown_table(pandas.concat(frames), numbers=numbers))
        parts += group_notes(table, group)
    return "\n\n".join(parts)


def text_frame(table: Table, block: Block) -> pandas.DataFrame:
    """Return the cells of a block as text, with the names of the rows before them and their unfinished runs after."""
    metrics = table.benchmark.metrics
    lines = [
        [
            *row_names(table, block, row),
            *(cell_text(block, row, metric) for metric in metrics),
            block.unfinished(row) or "all done",
        ]
        for row in block.shown
    ]
    if has_constant(block):
        names = row_names(table, block, f"*{CONSTANT}*")
        lines.append([*names, *(f"*{constant_text(block, metric)}*" for metric in metrics), ""])
    return pandas.DataFrame(lines, columns=[*row_heads(table), *map(label_of, metrics), "runs"])


def cell_text(block: Block, row: str, metric: str) -> str:
    """Return our number, bold if it is among the best, followed by the paper's and the difference in brackets."""
    cell = block.places[row, metric]
    ours, paper = ours_text(metric, cell), paper_text(metric, cell)
    return (f"**{ours}**" if row in block.best[metric] else ours) + (f" [{paper}]" if paper else "")


def markdown_table(frame: pandas.DataFrame, numbers: Sequence[str] = ()) -> str:
    """Return a table of texts as Markdown.

    Args:
        frame: the texts.
        numbers: columns that are aligned to the right.
    """
    ruler = ["---:" if column in numbers else "---" for column in frame.columns]
    lines = [list(frame.columns), ruler, *frame.itertuples(index=False, name=None)]
    return "\n".join(f"| {' | '.join(map(cell_of, line))} |" for line in lines)


def cell_of(text: str) -> str:
    """Return a text as a cell of a Markdown table, which neither a bar nor a backslash before one ends."""
    return text.replace("\\|", "\\ |").replace("|", "\\|")


def statistics_lines(table: Table) -> list[str]:
    """Return the order of the rows and the tests of every block as Markdown."""
    lines = []
    for block in table.blocks:
        lines += [f"### {block.title or 'Statistics'}", "", *comparison_lines(block), ""]
    return lines


def to_csv(frame: pandas.DataFrame) -> str:
    """Return a frame as CSV, with eight digits for each number and nothing for a missing one."""
    return frame.to_csv(index=False, float_format="%.8g", lineterminator="\n")


def seeds_csv(table: Table) -> str:
    """Return one line for each run and one column for each metric, in this package's units: SSIM lies in 0 to 1."""
    frame = table.results.frame
    run = frame.groupby([*CELL, "seed"], sort=False, dropna=False).ngroup()  # in the order of `Results.runs`
    numbers = frame.assign(run=run).pivot(index="run", columns="metric", values="number")
    runs = table.results.runs.reset_index(drop=True)[SEED_COLUMNS].rename(columns={"seconds": "run_seconds"})
    return to_csv(runs.join(numbers[list(table.benchmark.metrics)]))


def table_csv(table: Table) -> str:
    """Return one line for each row and one column for each number, in this package's units."""
    return to_csv(pandas.concat([wide_frame(table, block) for block in table.blocks]))


def wide_frame(table: Table, block: Block) -> pandas.DataFrame:
    """Return the numbers of a block with a line for each row."""
    columns: dict[str, object] = {"group": block.group, "row": block.rows}
    if table.benchmark.vary is not None:
        columns[table.benchmark.vary.key] = pandas.Series([block.value] * len(block.rows), dtype=object)
    for metric in table.benchmark.metrics:
        cells = block.cells.xs(metric, level="metric").reset_index(drop=True)
        columns |= {f"{metric}{ending}": cells[column] for column, ending in TABLE_COLUMNS.items()}
    done = block.runs[block.runs["status"] == "done"]
    columns["runs"] = [" ".join(done.loc[done["row"] == row, "folder"]) for row in block.rows]
    return pandas.DataFrame(columns)


def pairs_csv(table: Table) -> str:
    """Return one line for each comparison of two rows; only the header if none could be made."""
    frames = [
        test.pairs.assign(group=block.group, value=block.value, metric=metric)
        for block in table.blocks
        for metric, test in block.tests.items()
        if not isinstance(test, str)
    ]
    return to_csv(pandas.concat(frames)[PAIR_COLUMNS] if frames else pandas.DataFrame(columns=PAIR_COLUMNS))
