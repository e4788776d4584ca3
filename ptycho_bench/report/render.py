"""A table as Markdown, CSV and LaTeX. The same runs give the same bytes."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ptycho_bench.benchmark.statistics import Pair
from ptycho_bench.benchmark.tables import Table, TableCell, better_first, label_of, number
from ptycho_bench.report.wording import (
    about,
    cell_text,
    first_column,
    names_of,
    order_lines,
    run_facts,
    runs_of,
    test_lines,
)

TEX = str.maketrans({"\\": r"\textbackslash{}"} | {letter: f"\\{letter}" for letter in "&%$#_{}"})


def markdown(table: Table, figures: Sequence[str]) -> str:
    """The table, its statistics and the runs behind it."""
    lines = []
    metrics = list(table.benchmark.metrics)
    for group in table.benchmark.groups():
        if group:
            lines += ["", f"**{group}**", ""]
        lines.append(row_of([*first_column(table), *map(label_of, metrics), "runs"]))
        lines.append(row_of(["---"] * len(first_column(table)) + ["---:"] * len(metrics) + ["---"]))
        for block in table.blocks:
            if block.group == group:
                for line in block.lines:
                    texts = [cell_text(metric, line.cells[metric]) for metric in metrics]
                    lines.append(row_of([*names_of(line, table), *texts, line.lacking or "all done"]))
    parts = [f"# {table.title}", about(table), "\n".join(lines).strip("\n")]
    parts.append("\n".join(statistics_lines(table)))
    parts += [f"![{Path(figure).stem}]({figure})" for figure in figures]
    parts.append("## Runs\n\n" + "\n".join(run_lines(table)))
    return "\n\n".join(part for part in parts if part) + "\n"


def row_of(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def statistics_lines(table: Table) -> list[str]:
    """Order against the paper's and tests of whether rows differ."""
    lines = []
    for block in table.blocks:
        said = [*order_lines(table, block), *test_lines(block)]
        if said:
            lines += [f"### {block.title or 'Statistics'}", "", *said, ""]
    return lines


def run_lines(table: Table) -> list[str]:
    """Every run in a Markdown table."""
    facts = [run_facts(entry) for entry in runs_of(table)]
    heads = list(facts[0])
    return [row_of(heads), row_of(["---"] * len(heads)), *(row_of(list(fact.values())) for fact in facts)]


def pairs_csv(table: Table) -> str:
    """Every comparison of two rows, one a line; the head alone where none could be made."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["group", "value", "metric", *Pair.__dataclass_fields__])
    for block in table.blocks:
        for metric, found in block.tests.items():
            for pair in () if isinstance(found, str) else found.pairs:
                numbers = (plain(value) for value in (pair.difference, pair.low, pair.high, pair.p, pair.effect))
                value = "" if block.value is None else block.value
                writer.writerow([block.group, value, metric, pair.first, pair.second, *numbers])
    return text.getvalue()


def comma_separated(table: Table) -> str:
    """One line a place of the table, one column a number; in this package's units, SSIM between 0 and 1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    vary = table.benchmark.vary
    heads = ["group", "row", *([] if vary is None else [vary.key])]
    for metric in table.benchmark.metrics:
        heads += [
            metric,
            f"{metric}_std",
            f"{metric}_low",
            f"{metric}_high",
            f"{metric}_seeds",
            f"{metric}_paper",
            f"{metric}_paper_std",
        ]
    writer.writerow([*heads, "runs"])
    for line in table.lines:
        cells = [line.place.group, line.place.row, *([] if vary is None else [line.place.value])]
        for metric in table.benchmark.metrics:
            cell = line.cells[metric]
            ours = ("",) * 4 if cell.ours is None else (cell.ours.mean, cell.ours.std, cell.ours.low, cell.ours.high)
            paper = ("", "") if cell.paper is None else cell.paper
            cells += [*(plain(value) for value in ours), cell.done, *(plain(value) for value in paper)]
        writer.writerow([*cells, " ".join(entry.folder for entry in line.entries if entry.status == "done")])
    return text.getvalue()


def plain(value: float | str | None) -> str:
    """A number with eight digits; nothing for none."""
    return "" if value is None or value == "" else format(value, ".8g")


def latex(table: Table) -> str:
    """A booktabs table; the best of each block is bold."""
    metrics = table.benchmark.metrics
    names = first_column(table)
    lines = [
        f"% {table.title}",
        rf"\begin{{tabular}}{{{'l' * len(names)}{'r' * len(metrics)}}}",
        r"\toprule",
        " & ".join([*map(escaped, names), *(escaped(label_of(metric)) for metric in metrics)]) + r" \\",
    ]
    for block in table.blocks:
        lines.append(r"\midrule")
        if block.group:
            lines.append(rf"\multicolumn{{{len(names) + len(metrics)}}}{{l}}{{{escaped(block.group)}}} \\")
        best = {m: better_first(block.lines, m, direction)[:1] for m, direction in metrics.items()}
        for line in block.lines:
            cells = [latex_cell(m, line.cells[m], bold=line in best[m]) for m in metrics]
            lines.append(" & ".join([*map(escaped, names_of(line, table)), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def latex_cell(metric: str, cell: TableCell, *, bold: bool) -> str:
    """Ours with its spread."""
    if cell.ours is None:
        return "--"
    text = number(metric, cell.ours.mean)
    if cell.ours.std is not None:
        text += rf" \pm {number(metric, cell.ours.std)}"
    return rf"$\mathbf{{{text}}}$" if bold else f"${text}$"


def escaped(text: str) -> str:
    """Text as LaTeX reads it."""
    return text.translate(TEX)
