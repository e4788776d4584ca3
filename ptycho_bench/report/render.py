"""A table as Markdown, CSV, LaTeX and one self-contained HTML page. The same runs give the same bytes."""

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from ptycho_bench.report.collect import Entry
from ptycho_bench.report.statistics import Anova, Pair
from ptycho_bench.report.tables import Block, Line, Table, TableCell, better_first, label_of, number

PM = "±"
TEX = str.maketrans({"\\": r"\textbackslash{}"} | {letter: f"\\{letter}" for letter in "&%$#_{}"})
MOST_PAIRS, SIGNIFICANT = 10, 0.05  # of comparisons that are all said; of a corrected p, below which rows differ
CHOICES = ("data", "noise", "split", "input", "amplitude", "phase", "loss", "model", "recipe", "metrics")  # of a run


def ours_text(metric: str, cell: TableCell) -> str:
    """Ours, with its spread over seeds; a dash for none, and the count of runs where some lack."""
    if cell.ours is None:
        return "-"
    spread = "" if cell.ours.std is None else f" {PM} {number(metric, cell.ours.std)}"
    count = "" if cell.done == cell.planned else f" (n={cell.done})"
    return f"{number(metric, cell.ours.mean)}{spread}{count}"


def paper_text(metric: str, cell: TableCell) -> str:
    """The paper's, and ours less it; nothing where none is printed."""
    if cell.paper is None:
        return ""
    printed = number(metric, cell.paper.mean)
    return printed if cell.difference is None else f"{printed}, {signed(metric, cell.difference)}"


def cell_text(metric: str, cell: TableCell) -> str:
    """Ours, and the paper's and the difference in brackets."""
    paper = paper_text(metric, cell)
    return ours_text(metric, cell) + (f" [{paper}]" if paper else "")


def signed(metric: str, value: float) -> str:
    """A difference with its sign."""
    return f"{'+' if value >= 0 else '-'}{number(metric, abs(value))}"


def first_column(table: Table) -> list[str]:
    """Heads of what names a line."""
    vary = table.benchmark.vary
    return ["", *([] if vary is None else [vary.label])]


def names_of(line: Line, table: Table) -> list[str]:
    """What names a line."""
    return [line.place.row, *([] if table.benchmark.vary is None else [str(line.place.value)])]


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


def about(table: Table) -> str:
    """How to read the table."""
    benchmark = table.benchmark
    source = "" if benchmark.source is None else f" Paper: {benchmark.source}"
    if any(row.paper for row in benchmark.rows):
        source += "; its numbers follow ours, and ours less them"
    source += "." if source else ""
    part = {"stitched": "the stitched test field", "patch_mean": "the mean over test patches"}[benchmark.part]
    base = ", ".join(f"{key}={value}" for key, value in benchmark.base.items())
    shortened = "" if table.epochs is None else f" **Shortened: {table.epochs} epochs instead of the recipe's.**"
    note = "" if benchmark.note is None else f" {benchmark.note}"
    return (
        f"Ours: mean {PM} sample standard deviation over seeds, of {part}.{source}{shortened}{note} "
        f"All rows: {base}; seeds planned: {', '.join(map(str, benchmark.seeds))}."
    )


def statistics_lines(table: Table) -> list[str]:
    """Order against the paper's and tests of whether rows differ."""
    lines = []
    for block in table.blocks:
        said = [*order_lines(table, block), *test_lines(block)]
        if said:
            lines += [f"### {block.title or 'Statistics'}", "", *said, ""]
    return lines


def order_lines(table: Table, block: Block) -> list[str]:
    """Best to worst by ours, and the rank correlation with the paper's order."""
    lines = []
    for metric, direction in table.benchmark.metrics.items():
        order = better_first(block.lines, metric, direction)
        if len(order) < 2:
            continue
        text = f"- {label_of(metric)}: {' > '.join(line.place.row for line in order)}"
        correlation = block.correlation[metric]
        if correlation is not None:
            text += f"; Spearman's rank correlation with the paper's order {correlation:.2f}"
        lines.append(text)
    return lines


def test_lines(block: Block) -> list[str]:
    """Tests, metric by metric; one line where none can be made for the same reason."""
    reasons = {found for found in block.tests.values() if isinstance(found, str)}
    if len(reasons) == 1 and all(isinstance(found, str) for found in block.tests.values()):
        return [f"- Tests: {reasons.pop()}."]
    lines = []
    for metric, found in block.tests.items():
        if isinstance(found, str):
            lines.append(f"- {label_of(metric)}: {found}.")
            continue
        lines.append(f"- {label_of(metric)}: {anova_text(found)}")
        lines += [
            f"  - {pair.first} less {pair.second}: {signed(metric, pair.difference)} "
            f"(95 % {signed(metric, pair.low)} to {signed(metric, pair.high)}), {p_text(pair.p)} (Bonferroni), "
            f"d {pair.effect:.2f}"
            for pair in shown_pairs(found)
        ]
        if len(found.pairs) > MOST_PAIRS:
            lines.append(f"  - {len(shown_pairs(found))} of {len(found.pairs)} pairs differ; all are in pairs.csv")
    return lines


def shown_pairs(found: Anova) -> Sequence[Pair]:
    """All pairs where they are few, else those that differ."""
    return found.pairs if len(found.pairs) <= MOST_PAIRS else [pair for pair in found.pairs if pair.p < SIGNIFICANT]


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


def anova_text(found: Anova) -> str:
    """A test in a line."""
    corrected = (
        ""
        if found.p_corrected is None
        else f", Greenhouse-Geisser {p_text(found.p_corrected)} (epsilon {found.epsilon:.2f})"
    )
    return (
        f"repeated-measures ANOVA over {found.seeds} seeds F {found.f:.2f}, {p_text(found.p)}{corrected}, generalised "
        f"eta squared {found.effect:.3f}"
    )


def p_text(p: float) -> str:
    """A probability as one prints it."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def runs_of(table: Table) -> list[Entry]:
    """Every run once, in the table's order."""
    return list({entry.folder: entry for line in table.lines for entry in line.entries}.values())


def run_facts(entry: Entry) -> dict[str, str]:
    """What tells a run: configuration's hash, seed, commit, data, machine."""
    record, training = entry.record, entry.training
    environment = record.get("environment") or training.get("environment") or {}
    git = environment.get("git") or {}
    gpus = environment.get("gpus") or []
    device = training.get("training", {}).get("device", record.get("device", ""))
    on = gpus[0] if gpus and str(device).startswith("cuda") else environment.get("processor", "")
    choices = training.get("choices", {})
    commit = str(git.get("commit", ""))[:10] + (" (modified)" if git.get("modified") else "")
    return {
        "run": entry.folder,
        "status": entry.status + (f": {entry.reason}" if entry.reason else ""),
        "choices": " ".join(f"{group}={choices[group]}" for group in CHOICES if group in choices),
        "seed": "" if entry.seed is None else str(entry.seed),
        "epochs": str(training.get("training", {}).get("epochs", "")),
        "commit": commit,
        "data": str(record.get("data", {}).get("content_hash", ""))[:10],
        "machine": on,
        "seconds": f"{training.get('training', record).get('seconds', 0):.0f}",
    }


def run_lines(table: Table) -> list[str]:
    """Every run in a Markdown table."""
    facts = [run_facts(entry) for entry in runs_of(table)]
    heads = list(facts[0])
    return [row_of(heads), row_of(["---"] * len(heads)), *(row_of(list(fact.values())) for fact in facts)]


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


def page(tables: Sequence[tuple[Table, Mapping[str, bytes]]], title: str) -> str:
    """One HTML page that needs nothing beside it: sortable tables, statistics, figures, runs.

    Args:
        tables: each with its figures, PNG by name.
        title: of the page.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("ptycho_bench.report") / "page.html").read_text())
    return template.render(title=title, tables=[page_table(table, figures) for table, figures in tables])


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
