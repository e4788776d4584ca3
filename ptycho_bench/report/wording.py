"""Cells and introduction of a table as text, shared by all forms of a report."""

import math
from typing import NamedTuple

import pandas

from ptycho_bench.benchmark.statistics import SIGNIFICANT
from ptycho_bench.benchmark.tables import Block, Table, count_of
from ptycho_bench.report.comparisons import signed
from ptycho_bench.report.numbers import format_number, format_range

PM, MARK = "±", "†"
CONSTANT = "constant guess"  # name of the line with the scores of a constant guess
RUN_COLUMNS = {"folder": "run", "status": "status", "not_learned": "did not learn", "choices": "choices",
               "seed": "seed", "epochs": "epochs", "commit": "commit", "data": "data", "machine": "machine",
               "seconds": "seconds", "command": "command"}  # fmt: skip

FIGURES = {
    "bars": "mean of each row with its standard deviation over seeds",
    "box": "distribution of each metric over the test patches",
    "curves": "each metric against what varies",
    "fields": "stitched amplitude and phase of the truth and of each row",
    "patches": "amplitude and phase of single test patches, of the truth and of each row",
    "sections": "amplitude and phase along the middle row of the stitched field",
    "spectrum_diagonal": "diagonal power spectra of the stitched field and their energy in three bands",
    "spectrum_radial": "radial power spectra of the stitched field and their energy in three bands",
    "degradation": "how much worse each row is than the last one",
    "pareto": "quality against cost, one point for each row",
}  # what a figure shows, by its name


def ours_text(metric: str, cell: NamedTuple) -> str:
    """Return our mean with its spread over seeds; a dash for no number.

    The number of runs follows if some are missing, and a mark if a run did not learn the metric's quantity.
    """
    if math.isnan(cell.ours):
        return "-"
    spread = "" if math.isnan(cell.std) else f" {PM} {format_number(metric, cell.std)}"
    count = "" if cell.seeds == cell.planned else f" (n={cell.seeds})"
    return f"{format_number(metric, cell.ours)}{spread}{count}{MARK if cell.not_learned else ''}"


def paper_text(metric: str, cell: NamedTuple) -> str:
    """Return the paper's number and our difference from it; an empty string if the paper prints none."""
    if math.isnan(cell.paper):
        return ""
    printed = format_number(metric, cell.paper)
    return printed if math.isnan(cell.difference) else f"{printed}, {signed(metric, cell.difference)}"


def constant_text(block: Block, metric: str) -> str:
    """Return the score of a constant guess; a dash if there is none."""
    constant = block.constant(metric)
    return "-" if math.isnan(constant) else format_number(metric, constant)


def has_constant(block: Block) -> bool:
    """Return True if a constant guess has a score in any metric."""
    return not all(math.isnan(block.constant(metric)) for metric in block.directions)


def interval_lines(metric: str, cell: NamedTuple) -> list[str]:
    """Return the two 95 % intervals of a number and the score of a constant guess, without those that are unknown."""
    intervals = {"over seeds": (cell.low, cell.high), "over blocks of the field": (cell.block_low, cell.block_high)}
    lines = [
        f"95 % interval {over}: {format_range(metric, low, high)}"
        for over, (low, high) in intervals.items()
        if not math.isnan(low)
    ]
    return lines + ([] if math.isnan(cell.constant) else [f"{CONSTANT}: {format_number(metric, cell.constant)}"])


def figure_text(table: Table, name: str) -> str:
    """Return what a figure shows, by its file name, which begins with the name of the figure."""
    kind, _, part = name.partition("-")
    return f"{', '.join(filter(None, (table.title, part)))}: {FIGURES.get(kind, kind)}"


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
    base = ", ".join(f"{key}={value}" for key, value in benchmark.base.items())
    sentences = [
        f"Our numbers are mean {PM} sample standard deviation over seeds, for {part_text(table)}.",
        bold_text(),
        f"The line {CONSTANT!r} has the scores of the mean of the truth at every pixel." if any_constant(table) else "",
        "95 % intervals, over seeds and by bootstrap over blocks of the field, are in table.csv; report.html shows "
        "them when the pointer rests on a number or the box for details is ticked.",
        "" if benchmark.source is None else f"Paper: {benchmark.source}.",
        "The paper's numbers follow ours, with the difference ours minus paper." if has_paper(table) else "",
        benchmark.note or "",
        f"Settings, unless a row changes them: {base}." if base else "",
        f"Planned seeds: {', '.join(map(str, benchmark.seeds))}.",
    ]
    return " ".join(filter(None, sentences))


def part_text(table: Table) -> str:
    """Return which part of the test field the numbers describe."""
    return {"stitched": "the stitched test field", "patch_mean": "the mean over test patches"}[table.benchmark.part]


def bold_text() -> str:
    """Return what is bold."""
    return (
        "The best mean is bold, and so is every row that a paired test over seeds does not separate from it "
        f"(p of at least {SIGNIFICANT} after Bonferroni's correction). With few seeds these can be most rows; where no "
        "such test can be made, nothing is bold."
    )


def any_constant(table: Table) -> bool:
    """Return True if a constant guess has a score in any block."""
    return any(map(has_constant, table.blocks))


def has_paper(table: Table) -> bool:
    """Return True if the paper prints a number of any row."""
    return any(row.paper for row in table.benchmark.rows)


def shortened_remark(table: Table) -> str:
    """Return the remark that the table is shortened; an empty string if it is not."""
    epochs = table.results.epochs
    if epochs is None:
        return ""
    text = f"Shortened: {count_of(epochs, 'epoch')} instead of the recipe's number."
    if "convergence_epochs" in table.benchmark.metrics:
        text += " A shortened run cannot say after how many epochs training converges."
    return text


def run_table(table: Table) -> pandas.DataFrame:
    """Return every run once as text, with the columns that describe it."""
    runs = table.results.runs.drop_duplicates("folder").reset_index(drop=True)
    status = runs["status"] + runs["reason"].map(lambda reason: f": {reason}" if reason else "")
    seed = runs["seed"].astype(object).map(lambda seed: "" if pandas.isna(seed) else str(seed))
    return runs.assign(status=status, seed=seed)[list(RUN_COLUMNS)].rename(columns=RUN_COLUMNS)
