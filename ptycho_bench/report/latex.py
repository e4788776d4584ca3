"""A table as LaTeX that fits a page. The same runs give the same bytes."""

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

import pandas

from ptycho_bench.benchmark.tables import Block, Table
from ptycho_bench.report.notes import splits_of
from ptycho_bench.report.numbers import format_number, label_of
from ptycho_bench.report.wording import (
    CONSTANT,
    MARK,
    PM,
    bold_text,
    has_constant,
    ours_text,
    part_text,
    row_heads,
    row_names,
)

PACKAGES = r"% \usepackage{booktabs,graphicx}"
MOST_LINES = 40  # lines of one table; further blocks follow in a table of their own
PAGE = 80  # letters across the page; a wider table is scaled to the width of the text
WIDEST = 110  # letters of a table that is still legible when scaled; further metrics follow in a table of their own
BREAK = r"\\"
GAP = 3  # letters between two columns
HEAD = 14  # letters of a line in the head of a column
POWER = re.compile(r"e([+-]\d+)")
ESCAPED = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", PM: r"$\pm$", MARK: r"$^\dagger$"}
    | {letter: f"\\{letter}" for letter in "&%$#_{}"}
    | {letter: f"{{{letter}}}" for letter in "[]*"}  # a row that begins with one would be an argument of \\
)


def latex(table: Table) -> str:
    """Return one or more table environments with booktabs rules; see `Block.best` for what is bold."""
    shown = [block for block in table.blocks if block.shown] or table.blocks
    parts = [(blocks, metrics) for blocks in pages_of(shown) for metrics in columns_of(table, blocks)]
    name = table.benchmark.name if table.results.epochs is None else f"{table.benchmark.name}-{table.results.epochs}"
    texts = [PACKAGES]
    for place, (blocks, metrics) in enumerate(parts, start=1):
        part = f" Part {place} of {len(parts)}." if len(parts) > 1 else ""
        label = name if place == 1 else f"{name}-part-{place}"
        lines = [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{caption(table)}{part}}}",
            rf"\label{{tab:{label}}}",
        ]
        content = tabular(table, blocks, metrics)
        if width_of(table, blocks, metrics) > PAGE:
            content = f"\\resizebox{{\\linewidth}}{{!}}{{%\n{content}}}"
        texts.append("\n".join([*lines, content, r"\end{table}"]))
    return "\n\n".join(texts) + "\n"


def pages_of(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Distribute blocks over tables that fit a page."""
    page: list[Block] = []
    for block in blocks:
        if page and sum(len(other.shown) + 2 for other in [*page, block]) > MOST_LINES:
            yield page
            page = []
        page.append(block)
    yield page


def columns_of(table: Table, blocks: Sequence[Block]) -> Iterator[list[str]]:
    """Distribute metrics over tables that are legible on a page."""
    columns: list[str] = []
    for metric in table.benchmark.metrics:
        if columns and width_of(table, blocks, [*columns, metric]) > WIDEST:
            yield columns
            columns = []
        columns.append(metric)
    yield columns


def caption(table: Table) -> str:
    """Return what the table shows: part of the field, seeds, splits, and the meaning of bold and of the mark."""
    runs = pandas.concat([block.runs for block in table.blocks])
    done = runs[runs["status"] == "done"]
    seeds = ", ".join(map(str, sorted(done["seed"].dropna().unique())))
    splits = ", ".join(filter(None, dict.fromkeys(splits_of(table, done))))
    sentences = [
        f"{table.title}: {part_text(table)}, mean {PM} sample standard deviation over seeds{f' {seeds}' * bool(seeds)}"
        f"{f'; split {splits}' * bool(splits)}.",
        bold_text(),
    ]
    if any(block.cells["not_learned"].any() for block in table.blocks):
        sentences.append(f"{MARK} did not learn: no better than a constant guess with at least one seed.")
    return latex_text(" ".join(sentences))


def tabular(table: Table, blocks: Sequence[Block], metrics: Sequence[str]) -> str:
    """Return the tabular environment of some blocks and metrics."""
    names = row_heads(table)
    lines = [rf"\begin{{tabular}}{{{'l' * len(names)}{'r' * len(metrics)}}}", r"\toprule"]
    lines.append(joined([*map(latex_text, names), *map(head, metrics)]))
    group = ""
    for block in blocks:
        lines.append(r"\midrule")
        if block.group != group:
            group = block.group
            lines.append(rf"\multicolumn{{{len(names) + len(metrics)}}}{{l}}{{{latex_text(group)}}} \\")
        lines += block_lines(table, block, metrics)
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def width_of(table: Table, blocks: Sequence[Block], metrics: Sequence[str]) -> int:
    """Return the letters across the tabular of some blocks and metrics."""
    names = max(len(row) for block in blocks for row in block.rows)
    varied = [len(label) for label in row_heads(table)[1:]]
    numbers = [
        max(
            *map(len, head_lines(metric)),
            *(len(ours_text(metric, block.places[row, metric])) for block in blocks for row in block.rows),
        )
        for metric in metrics
    ]
    return sum(width + GAP for width in [names, *varied, *numbers])


def head_lines(metric: str) -> list[str]:
    """Return the name of a metric on several short lines."""
    return textwrap.wrap(label_of(metric), HEAD)


def head(metric: str) -> str:
    """Return the name of a metric as the head of a column."""
    lines = [latex_text(line) for line in head_lines(metric)]
    return lines[0] if len(lines) == 1 else rf"\shortstack[r]{{{BREAK.join(lines)}}}"


def block_lines(table: Table, block: Block, metrics: Sequence[str]) -> list[str]:
    """Return the rows of a block, and the scores of a constant guess in italics."""
    lines = []
    for row in block.shown:
        names = map(latex_text, row_names(table, block, row))
        lines.append(joined([*names, *(latex_number(block, row, metric) for metric in metrics)]))
    if has_constant(block):
        names = map(latex_text, row_names(table, block, CONSTANT))
        scores = (constant(block, metric) for metric in metrics)
        lines.append(joined([*(rf"\textit{{{name}}}" for name in names), *scores]))
    return lines


def joined(cells: Iterable[str]) -> str:
    """Return a line of a tabular."""
    return " & ".join(cells) + r" \\"


def latex_number(block: Block, row: str, metric: str) -> str:
    """Return our number with its spread, bold if it is among the best, and a mark if a run did not learn."""
    cell = block.places[row, metric]
    if math.isnan(cell.ours):
        return "--"
    text = digits(metric, cell.ours)
    if not math.isnan(cell.std):
        text += rf" \pm {digits(metric, cell.std)}"
    text = rf"\mathbf{{{text}}}" if row in block.best[metric] else text
    mark = r"^{\dagger}" if cell.not_learned else ""
    return f"${text}{mark}$"


def constant(block: Block, metric: str) -> str:
    """Return the score of a constant guess in italics."""
    score = block.constant(metric)
    return "--" if math.isnan(score) else rf"$\mathit{{{digits(metric, score)}}}$"


def digits(metric: str, value: float) -> str:
    """Return a number for math mode, in which a power of ten is written out."""
    return POWER.sub(lambda found: rf" \cdot 10^{{{int(found[1])}}}", format_number(metric, value))


def latex_text(text: str) -> str:
    """Return text with the characters escaped that LaTeX treats as commands."""
    return text.translate(ESCAPED)
