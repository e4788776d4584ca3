"""Notes below the table of a group: which rows did not learn, and how much of the test field training has seen."""

import re
from collections.abc import Sequence

import pandas

from ptycho_bench.benchmark.collect import LEAKAGE
from ptycho_bench.benchmark.tables import QUANTITIES, Block, Table
from ptycho_bench.report.wording import MARK

SPLIT = re.compile(r"\bsplit=(\S+)")  # in the choices of a run


def group_notes(table: Table, group: str) -> list[str]:
    """Return the notes below the table of a group, a sentence or two each."""
    blocks = [block for block in table.blocks if block.group == group]
    return [*missing_notes(blocks), *not_learned_notes(table, blocks), *leakage_notes(table, blocks)]


def missing_notes(blocks: Sequence[Block]) -> list[str]:
    """Return the rows that a table leaves out because they have no finished run yet, with the state of their runs."""
    if not any(block.shown for block in blocks):
        return ["No run of this group is finished yet."]
    rows = [
        f"{row}{f' at {block.varied}' if block.varied else ''} ({block.unfinished(row)})"
        for block in blocks
        for row in block.rows
        if row not in block.shown
    ]
    return [f"Not in the table yet: {'; '.join(rows)}."] if rows else []


def not_learned_notes(table: Table, blocks: Sequence[Block]) -> list[str]:
    """Return the meaning of the mark with the rows that have it and how many of their runs did not learn, if any."""
    found = []
    for quantity in QUANTITIES:
        metric = next((metric for metric in table.benchmark.metrics if metric.startswith(quantity)), None)
        rows = [] if metric is None else [name for block in blocks for name in not_learned_rows(block, metric)]
        found += [f"{quantity}: {', '.join(rows)}"] if rows else []
    return [f"{MARK} did not learn: no better than a constant guess. {'; '.join(found)}."] if found else []


def not_learned_rows(block: Block, metric: str) -> list[str]:
    """Return the rows that did not learn a metric's quantity, each with the number of such runs."""
    where = f" at {block.varied}" if block.varied else ""
    names = []
    for row in block.rows:
        runs = block.runs_of(row)
        done, noun = int((runs["status"] == "done").sum()), "seeds" if runs["seed"].notna().any() else "runs"
        if count := block.places[row, metric].not_learned:
            names.append(f"{row}{where} ({count} of {done} {noun})")
    return names


def leakage_notes(table: Table, blocks: Sequence[Block]) -> list[str]:
    """Return, for each split, how much of the test data shares object pixels with training and validation.

    Shares that differ between runs, for example because what varies is the number of patterns, are given as a range.
    """
    runs = pandas.concat([block.runs for block in blocks]).dropna(subset=LEAKAGE, how="all")
    parts = dict(list(runs.groupby(splits_of(table, runs), sort=False)))
    notes = []
    for split, part in parts.items():
        patches, field, scored = (shares(part[column]) for column in LEAKAGE)
        rows = f" ({', '.join(dict.fromkeys(part['row']))})" if len(parts) > 1 else ""
        notes.append(
            f"Leakage{f' with split={split}' if split else ''}{rows}: {patches} of test patches share an object pixel "
            f"with training or validation; {field} of the test field and {scored} of the scored rectangle were seen."
        )
    return notes


def splits_of(table: Table, runs: pandas.DataFrame) -> pandas.Series:
    """Return the split of each run as its record names it; that of the benchmark if it has no record."""
    return runs["choices"].str.extract(SPLIT, expand=False).fillna(str(table.benchmark.base.get("split", "")))


def shares(numbers: pandas.Series) -> str:
    """Return the range of shares in percent.

    >>> shares(pandas.Series([0.0, 0.0])), shares(pandas.Series([0.125, 1.0]))
    ('0 %', '12.5 to 100 %')
    """
    if numbers.isna().all():
        return "an unknown share"
    low, high = (f"{100 * number:.1f}".removesuffix(".0") for number in (numbers.min(), numbers.max()))
    return f"{low} %" if low == high else f"{low} to {high} %"
