"""A table as Markdown, CSV and LaTeX. The same runs give the same bytes."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import pandas

from ptycho_bench.benchmark.tables import Block, Table, format_number, label_of
from ptycho_bench.report.wording import (
    cell_text,
    introduction,
    order_lines,
    row_heads,
    row_names,
    run_table,
    shortened_remark,
    significance_lines,
)

HTML_TAG = re.compile(r"<(?=[A-Za-z/!?])")
LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {letter: f"\\{letter}" for letter in "&%$#_{}"}
)
PAIR_COLUMNS = ["group", "value", "metric", "first", "second", "difference", "low", "high", "p", "effect"]
TABLE_COLUMNS = {"ours": "", "std": "_std", "low": "_low", "high": "_high", "seeds": "_seeds", "paper": "_paper",
                 "paper_std": "_paper_std"}  # fmt: skip


def markdown(table: Table, figures: Sequence[str]) -> str:
    """Return the table, its statistics, its figures and its runs as Markdown, in which no text can act as HTML.

    Args:
        table: the table.
        figures: paths of its figures, relative to the file.
    """
    remark = shortened_remark(table)
    parts = [f"# {table.title}", f"**{remark}**" if remark else "", introduction(table), markdown_tables(table)]
    parts.append("\n".join(statistics_lines(table)).rstrip())
    parts += [f"![{Path(figure).stem}]({figure})" for figure in figures]
    parts.append(f"## Runs\n\n{markdown_table(run_table(table))}")
    return HTML_TAG.sub("&lt;", "\n\n".join(part for part in parts if part) + "\n")


def markdown_tables(table: Table) -> str:
    """Return a Markdown table for each group."""
    parts = []
    for group in table.benchmark.group_names():
        blocks = [block for block in table.blocks if block.group == group]
        frame = pandas.concat([text_frame(table, block) for block in blocks])
        parts += [f"**{group}**"] if group else []
        parts.append(markdown_table(frame, numbers=[label_of(metric) for metric in table.benchmark.metrics]))
    return "\n\n".join(parts)


def text_frame(table: Table, block: Block) -> pandas.DataFrame:
    """Return the cells of a block as text, with the names of the rows before them and their unfinished runs after."""
    metrics = table.benchmark.metrics
    lines = [
        [
            *row_names(table, block, row),
            *(cell_text(metric, block.places[row, metric]) for metric in metrics),
            block.unfinished(row) or "all done",
        ]
        for row in block.rows
    ]
    return pandas.DataFrame(lines, columns=[*row_heads(table), *map(label_of, metrics), "runs"])


def markdown_table(frame: pandas.DataFrame, numbers: Sequence[str] = ()) -> str:
    """Return a table of texts as Markdown.

    Args:
        frame: the texts.
        numbers: columns that are aligned to the right.
    """
    ruler = ["---:" if column in numbers else "---" for column in frame.columns]
    lines = [list(frame.columns), ruler, *frame.itertuples(index=False, name=None)]
    return "\n".join(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in line)} |" for line in lines)


def statistics_lines(table: Table) -> list[str]:
    """Return the order of the rows and the tests of every block as Markdown."""
    lines = []
    for block in table.blocks:
        statistics = [*order_lines(table, block), *significance_lines(block)]
        lines += [f"### {block.title or 'Statistics'}", "", *statistics, ""]
    return lines


def to_csv(frame: pandas.DataFrame) -> str:
    """Return a frame as CSV, with eight digits for each number and nothing for a missing one."""
    return frame.to_csv(index=False, float_format="%.8g", lineterminator="\n")


def runs_csv(table: Table) -> str:
    """Return one line for each run and metric, in this package's units: SSIM lies between 0 and 1."""
    return to_csv(table.results.frame)


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


def latex(table: Table) -> str:
    """Return a table environment with booktabs rules; the best number of each block is bold."""
    grouped = table.benchmark.group_names() != [""]
    names = [*(["group"] if grouped else []), *row_heads(table)]
    metrics = table.benchmark.metrics
    lines = []
    for block in table.blocks:
        first, *others = latex_lines(table, block, grouped=grouped)
        if lines:
            first[0] = rf"\midrule {first[0]}"  # LaTeX accepts a rule at the start of a row
        lines += [first, *others]
    frame = pandas.DataFrame(lines, columns=[*names, *map(label_of, metrics)])
    return (
        frame.style.hide(axis="index")
        .format_index(latex_text, axis="columns")
        .to_latex(
            column_format="l" * len(names) + "r" * len(metrics),
            hrules=True,
            environment="table",
            position_float="centering",
            caption=latex_text(table.title),
        )
    )


def latex_lines(table: Table, block: Block, *, grouped: bool) -> list[list[str]]:
    """Return the cells of a block as LaTeX; the first row also has the name of its group."""
    metrics = table.benchmark.metrics
    best = {metric: block.ranked(metric, direction)[:1] for metric, direction in metrics.items()}
    lines = []
    for row in block.rows:
        group = [block.group if row == block.rows[0] else ""] if grouped else []
        names = map(latex_text, [*group, *row_names(table, block, row)])
        numbers = (latex_number(metric, block.places[row, metric], bold=row in best[metric]) for metric in metrics)
        lines.append([*names, *numbers])
    return lines


def latex_number(metric: str, cell: tuple, *, bold: bool) -> str:
    """Return our number with its spread."""
    if math.isnan(cell.ours):
        return "--"
    text = format_number(metric, cell.ours)
    if not math.isnan(cell.std):
        text += rf" \pm {format_number(metric, cell.std)}"
    return rf"$\mathbf{{{text}}}$" if bold else f"${text}$"


def latex_text(text: str) -> str:
    """Return text with the characters escaped that LaTeX treats as commands."""
    return text.translate(LATEX)
