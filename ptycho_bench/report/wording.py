"""Cells, statistics and runs of a table as text, shared by the Markdown report and the HTML page."""

import math
from typing import NamedTuple

import pandas

from ptycho_bench.benchmark.statistics import Anova
from ptycho_bench.benchmark.tables import Block, Table, count_of, format_number, label_of

PM = "±"
MOST_PAIRS = 10  # up to this number, all comparisons of two rows are listed
SIGNIFICANT = 0.05  # corrected p below which rows are taken to differ
RUN_COLUMNS = ["folder", "status", "choices", "seed", "epochs", "commit", "data", "machine", "seconds"]


def ours_text(metric: str, cell: NamedTuple) -> str:
    """Return our mean with its spread over seeds, and the number of runs if some are missing; a dash for no number."""
    if math.isnan(cell.ours):
        return "-"
    spread = "" if math.isnan(cell.std) else f" {PM} {format_number(metric, cell.std)}"
    count = "" if cell.seeds == cell.planned else f" (n={cell.seeds})"
    return f"{format_number(metric, cell.ours)}{spread}{count}"


def paper_text(metric: str, cell: NamedTuple) -> str:
    """Return the paper's number and our difference from it; an empty string if the paper prints none."""
    if math.isnan(cell.paper):
        return ""
    printed = format_number(metric, cell.paper)
    return printed if math.isnan(cell.difference) else f"{printed}, {signed(metric, cell.difference)}"


def cell_text(metric: str, cell: NamedTuple) -> str:
    """Return our number, followed by the paper's and the difference in brackets."""
    paper = paper_text(metric, cell)
    return ours_text(metric, cell) + (f" [{paper}]" if paper else "")


def signed(metric: str, value: float) -> str:
    """Return a difference with its sign."""
    return f"{'+' if value >= 0 else '-'}{format_number(metric, abs(value))}"


def row_heads(table: Table) -> list[str]:
    """Return the heads of the columns that name a row."""
    vary = table.benchmark.vary
    return [""] if vary is None else ["", vary.label]


def row_names(table: Table, block: Block, row: str) -> list[str]:
    """Return the texts that name a row."""
    return [row] if table.benchmark.vary is None else [row, str(block.value)]


def introduction(table: Table) -> str:
    """Return how to read the table, without the remark that it is shortened."""
    benchmark = table.benchmark
    part = {"stitched": "the stitched test field", "patch_mean": "the mean over test patches"}[benchmark.part]
    base = ", ".join(f"{key}={value}" for key, value in benchmark.base.items())
    sentences = [
        f"Ours: mean {PM} sample standard deviation over seeds, for {part}.",
        "" if benchmark.source is None else f"Paper: {benchmark.source}.",
        "The paper's numbers follow ours, with the difference ours minus paper." if has_paper(table) else "",
        benchmark.note or "",
        f"Settings, unless a row changes them: {base}." if base else "",
        f"Planned seeds: {', '.join(map(str, benchmark.seeds))}.",
    ]
    return " ".join(filter(None, sentences))


def has_paper(table: Table) -> bool:
    """Return True if the paper prints a number of any row."""
    return any(row.paper for row in table.benchmark.rows)


def shortened_remark(table: Table) -> str:
    """Return the remark that the table is shortened; an empty string if it is not."""
    epochs = table.results.epochs
    return "" if epochs is None else f"Shortened: {count_of(epochs, 'epoch')} instead of the recipe's number."


def order_lines(table: Table, block: Block) -> list[str]:
    """Return the order of the rows from best to worst, and its rank correlation with the paper's order."""
    lines = []
    for metric, direction in table.benchmark.metrics.items():
        order = block.ranked(metric, direction)
        if len(order) < 2:
            continue
        text = f"- {label_of(metric)}: {' > '.join(order)}"
        correlation = block.correlation[metric]
        if correlation is not None:
            text += f"; Spearman's rank correlation with the paper's order {correlation:.2f}"
        lines.append(text)
    return lines


def significance_lines(block: Block) -> list[str]:
    """Return the tests metric by metric, or one line if no metric can be tested for the same reason."""
    reasons = set(block.tests.values()) if all(isinstance(test, str) for test in block.tests.values()) else ()
    if len(reasons) == 1:
        return [f"- Tests: {reasons.pop()}."]
    lines = []
    for metric, test in block.tests.items():
        if isinstance(test, str):
            lines.append(f"- {label_of(metric)}: {test}.")
            continue
        lines += [f"- {label_of(metric)}: {anova_text(test)}", *pair_lines(metric, test)]
    return lines


def pair_lines(metric: str, test: Anova) -> list[str]:
    """Return the comparisons of two rows: all if they are few, otherwise those that differ significantly."""
    shown = test.pairs if len(test.pairs) <= MOST_PAIRS else test.pairs[test.pairs["p"] < SIGNIFICANT]
    lines = [
        f"  - {pair.first} minus {pair.second}: {signed(metric, pair.difference)} "
        f"(95 % interval {signed(metric, pair.low)} to {signed(metric, pair.high)}), {p_text(pair.p)} (Bonferroni), "
        f"d = {pair.effect:.2f}"
        for pair in shown.itertuples()
    ]
    if len(test.pairs) > MOST_PAIRS:
        lines.append(f"  - {len(shown)} of {len(test.pairs)} pairs differ significantly; pairs.csv lists all")
    return lines


def anova_text(test: Anova) -> str:
    """Return a test in one line."""
    corrected = (
        ""
        if test.p_corrected is None
        else f", Greenhouse-Geisser {p_text(test.p_corrected)} (epsilon {test.epsilon:.2f})"
    )
    return (
        f"repeated-measures ANOVA over {test.seeds} seeds F = {test.f:.2f}, {p_text(test.p)}{corrected}, generalised "
        f"eta squared {test.effect:.3f}"
    )


def p_text(p: float) -> str:
    """Return a probability as it is usually printed."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"


def run_table(table: Table) -> pandas.DataFrame:
    """Return every run once as text: folder, status, choices, seed, epochs, commit, data, machine and seconds."""
    runs = table.results.runs.drop_duplicates("folder").reset_index(drop=True)
    status = runs["status"] + runs["reason"].map(lambda reason: f": {reason}" if reason else "")
    seed = runs["seed"].astype(object).map(lambda seed: "" if pandas.isna(seed) else str(seed))
    return runs.assign(status=status, seed=seed)[RUN_COLUMNS].rename(columns={"folder": "run"})
