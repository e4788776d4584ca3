"""The table of a benchmark: our numbers over seeds beside the paper's, what is missing, order and tests."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas

from ptycho_bench.benchmark.collect import Results
from ptycho_bench.benchmark.definition import Benchmark
from ptycho_bench.benchmark.statistics import Anova, compare, rank_correlation, summarise

QUANTITIES = ("amplitude", "phase")  # what a network may fail to learn; metrics begin with one of them
SEEDLESS = ("gflops", "milliseconds", "parameters_mib")  # metrics that do not depend on the seed


@dataclass(frozen=True, kw_only=True)
class Block:
    """Rows that are compared with each other: one group, at one value of what varies.

    Args:
        group: name of the group; "" if there are no groups.
        value: value of what varies; "" if nothing does.
        varied: name and value of what varies; "" if nothing does.
        cells: one line for each row and metric. Columns: ours, std, low, high and seeds (see `summarise`), planned
            (number of planned runs), constant (score of a constant guess), block_low and block_high (95 % interval by
            bootstrap over blocks of the field; the three are means over seeds), not_learned (number of runs whose
            prediction of the metric's quantity is no better than a constant guess), paper and paper_std (what the paper
            prints) and difference (ours minus the paper's); NaN where there is no number.
        runs: runs of the block (see `Results.runs`).
        directions: for each metric which numbers are better: higher, lower or none.
        same_data: whether the rows have the same data, see `Benchmark.same_data`.
        correlation: for each metric the rank correlation of our order with the paper's, or None if numbers are missing.
        tests: for each metric a test of whether rows differ, or the reason why there is none.
    """

    group: str
    value: object
    varied: str
    cells: pandas.DataFrame
    runs: pandas.DataFrame
    directions: Mapping[str, str]
    same_data: bool
    correlation: Mapping[str, float | None]
    tests: Mapping[str, Anova | str]

    @property
    def title(self) -> str:
        """Group and value; without those that the benchmark does not have."""
        return ", ".join(filter(None, (self.group, self.varied)))

    @functools.cached_property
    def rows(self) -> list[str]:
        """Labels of the rows, in order."""
        return list(dict.fromkeys(self.cells.index.get_level_values("row")))

    @functools.cached_property
    def shown(self) -> list[str]:
        """Labels of the rows that have a finished run or a paper's number, in order."""
        done = set(self.runs.loc[self.runs["status"] == "done", "row"])
        printed = set(self.cells.index[self.cells["paper"].notna()].get_level_values("row"))
        return [row for row in self.rows if row in done | printed]

    @functools.cached_property
    def places(self) -> dict[tuple[str, str], NamedTuple]:
        """Cells by row and metric, as named tuples of their columns."""
        return {cell.Index: cell for cell in self.cells.itertuples()}

    def wide(self, column: str) -> pandas.DataFrame:
        """Return one column of the cells with a line for each row and a column for each metric."""
        metrics = list(dict.fromkeys(self.cells.index.get_level_values("metric")))
        return self.cells[column].unstack("metric").reindex(index=self.rows, columns=metrics)

    def runs_of(self, row: str) -> pandas.DataFrame:
        """Return the runs of a row."""
        return self.runs[self.runs["row"] == row]

    def unfinished(self, row: str) -> str:
        """Return how many runs of a row are not done, in words; an empty string if all are."""
        statuses = self.runs_of(row)["status"]
        counts = {status: int((statuses == status).sum()) for status in ("missing", "running", "failed")}
        return ", ".join(f"{count} of {len(statuses)} runs {status}" for status, count in counts.items() if count)

    def constant(self, metric: str) -> float:
        """Return the score of a constant guess, the mean over the rows.

        It is NaN if no run has recorded it, and in a benchmark whose rows have different data.
        """
        return float(self.cells["constant"].xs(metric, level="metric").mean()) if self.same_data else math.nan

    def ranked(self, metric: str) -> list[str]:
        """Return the labels of the rows that have a number, best first; empty if no direction is better."""
        if self.directions[metric] == "none":
            return []
        ours = self.cells["ours"].xs(metric, level="metric").dropna()
        return list(ours.sort_values(ascending=self.directions[metric] == "lower", kind="stable").index)

    @functools.cached_property
    def best(self) -> dict[str, list[str]]:
        """For each metric the best row that learned with every seed, and the rows that no test separates from it.

        Empty without a test. Solvers and reference predictors take no part in tests and are never among the best.
        """
        return {metric: self.best_rows(metric, test) for metric, test in self.tests.items()}

    def best_rows(self, metric: str, test: Anova | str) -> list[str]:
        """Return the best rows of a metric (see `best`)."""
        if isinstance(test, str):
            return []
        rows = [row for row in self.ranked(metric) if row in test.rows and not self.places[row, metric].not_learned]
        return [row for row in rows if not test.separates(rows[0], row)]


@dataclass(frozen=True, kw_only=True)
class Table:
    """The table of a benchmark.

    Args:
        results: the runs.
        blocks: its parts.
    """

    results: Results
    blocks: list[Block]

    @property
    def benchmark(self) -> Benchmark:
        """The benchmark."""
        return self.results.benchmark

    @property
    def title(self) -> str:
        """Title of the benchmark, with a remark if it is shortened."""
        epochs = self.results.epochs
        return self.benchmark.title + ("" if epochs is None else f" - shortened to {count_of(epochs, 'epoch')}")


def make_table(results: Results) -> Table:
    """Return the table of a benchmark's runs."""
    benchmark = results.benchmark
    values = [""] if benchmark.vary is None else benchmark.values
    return Table(
        results=results,
        blocks=[make_block(results, group, value) for group in benchmark.group_names() for value in values],
    )


def make_block(results: Results, group: str, value: object) -> Block:
    """Return the block of a group at one value of what varies."""
    benchmark, frame, runs = results.benchmark, results.frame, results.runs
    lines = frame[(frame["group"] == group) & (frame["value"] == value)]
    cells = make_cells(lines, benchmark, group)
    networks = [row.label for row in benchmark.rows if row.group == group and row.run is not None]
    tested = lines[lines["row"].isin(networks)]
    return Block(
        group=group,
        value=value,
        varied="" if benchmark.vary is None else f"{benchmark.vary.label} {value}",
        same_data=benchmark.same_data,
        cells=cells,
        runs=runs[(runs["group"] == group) & (runs["value"] == value)],
        directions=benchmark.metrics,
        correlation={metric: correlation_of(cells, metric) for metric in benchmark.metrics},
        tests={metric: rows_differ(tested, metric) for metric in benchmark.metrics},
    )


def make_cells(lines: pandas.DataFrame, benchmark: Benchmark, group: str) -> pandas.DataFrame:
    """Return the cells of a block (see `Block`).

    Args:
        lines: lines of `Results.frame` that belong to the block.
        benchmark: the benchmark.
        group: group of the block.
    """
    rows = {row.label: row.paper for row in benchmark.rows if row.group == group}
    places = pandas.MultiIndex.from_product([rows, benchmark.metrics], names=["row", "metric"])
    by_cell = lines.assign(not_learned=not_learned(lines)).groupby(["row", "metric"], sort=False)
    numbers = by_cell["number"]
    cells = summarise(numbers).reindex(places)
    seedless = cells.index.get_level_values("metric").isin(SEEDLESS)
    cells.loc[seedless, "ours"] = numbers.first().reindex(places)[seedless]
    cells.loc[seedless, ["std", "low", "high"]] = math.nan
    cells["planned"] = numbers.size().reindex(places)
    cells[["constant", "block_low", "block_high"]] = by_cell[["constant", "block_low", "block_high"]].mean()
    cells["not_learned"] = by_cell["not_learned"].sum()
    counts = ["seeds", "planned", "not_learned"]
    cells[counts] = cells[counts].fillna(0).astype(int)
    printed = [rows[row].get(metric, (math.nan, math.nan)) for row, metric in places]
    cells[["paper", "paper_std"]] = pandas.DataFrame(printed, index=places, dtype=float)
    cells["difference"] = cells["ours"] - cells["paper"]
    return cells


def not_learned(lines: pandas.DataFrame) -> pandas.Series:
    """Return for each line whether its run's prediction of the metric's quantity is no better than a constant guess."""
    found = pandas.Series(False, index=lines.index)
    for quantity in QUANTITIES:
        found |= lines["metric"].str.startswith(quantity) & lines["not_learned"].str.contains(quantity)
    return found


def correlation_of(cells: pandas.DataFrame, metric: str) -> float | None:
    """Return the rank correlation of our order and the paper's, over the rows that have both numbers."""
    both = cells.xs(metric, level="metric").dropna(subset=["difference"])
    return rank_correlation(list(both["ours"]), list(both["paper"]))


def rows_differ(lines: pandas.DataFrame, metric: str) -> Anova | str:
    """Test whether networks differ in a metric.

    Args:
        lines: lines of `Results.frame` that belong to the networks of a block.
        metric: name of the metric.
    """
    lines = lines[lines["metric"] == metric]
    numbers = lines.pivot(index="seed", columns="row", values="number")
    return compare(numbers[list(dict.fromkeys(lines["row"]))])


def count_of(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count_of(1, "epoch"), count_of(2, "epoch")
    ('1 epoch', '2 epochs')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"
