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

SEEDLESS = ("gflops", "milliseconds", "parameters_mib")  # metrics that do not depend on the seed
UNITS = {"_psnr_db": "PSNR (dB)", "_ssim": "SSIM (%)", "_mse": "MSE", "_mae": "MAE", "_wrapped_mae_rad": "MAE (rad)"}
NAMES = {
    "seconds": "seconds",
    "seconds_per_epoch": "seconds per epoch",
    "parameters_mib": "parameters (MiB)",
    "convergence_epochs": "epochs to converge",
    "gflops": "GFLOPs",
    "milliseconds": "milliseconds",
}


@dataclass(frozen=True, kw_only=True)
class Block:
    """Rows that are compared with each other: one group, at one value of what varies.

    Args:
        group: name of the group; "" if there are no groups.
        value: value of what varies; "" if nothing does.
        title: group and value, as far as there are any.
        cells: one line for each row and metric. Columns: ours, std, low, high and seeds (see `summarise`), planned
            (number of planned runs), paper and paper_std (what the paper prints) and difference (ours minus the
            paper's); NaN where there is no number.
        runs: runs of the block (see `Results.runs`).
        correlation: for each metric the rank correlation of our order with the paper's, or None if numbers are missing.
        tests: for each metric a test of whether rows differ, or the reason why there is none.
    """

    group: str
    value: object
    title: str
    cells: pandas.DataFrame
    runs: pandas.DataFrame
    correlation: Mapping[str, float | None]
    tests: Mapping[str, Anova | str]

    @functools.cached_property
    def rows(self) -> list[str]:
        """Labels of the rows, in order."""
        return list(dict.fromkeys(self.cells.index.get_level_values("row")))

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

    def ranked(self, metric: str, direction: str) -> list[str]:
        """Return the labels of the rows that have a number, best first.

        Args:
            metric: name of the metric.
            direction: higher or lower, whichever is better.
        """
        ours = self.cells["ours"].xs(metric, level="metric").dropna()
        return list(ours.sort_values(ascending=direction == "lower", kind="stable").index)


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
    varied = "" if benchmark.vary is None else f"{benchmark.vary.label} {value}"
    return Block(
        group=group,
        value=value,
        title=", ".join(filter(None, (group, varied))),
        cells=cells,
        runs=runs[(runs["group"] == group) & (runs["value"] == value)],
        correlation={metric: correlation_of(cells, metric) for metric in benchmark.metrics},
        tests={metric: rows_differ(lines, metric) for metric in benchmark.metrics},
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
    numbers = lines.groupby(["row", "metric"], sort=False)["number"]
    cells = summarise(numbers).reindex(places)
    seedless = cells.index.get_level_values("metric").isin(SEEDLESS)
    cells.loc[seedless, "ours"] = numbers.first().reindex(places)[seedless]
    cells.loc[seedless, ["std", "low", "high"]] = math.nan
    cells["planned"] = numbers.size().reindex(places)
    cells[["seeds", "planned"]] = cells[["seeds", "planned"]].fillna(0).astype(int)
    printed = [rows[row].get(metric, (math.nan, math.nan)) for row, metric in places]
    cells[["paper", "paper_std"]] = pandas.DataFrame(printed, index=places, dtype=float)
    cells["difference"] = cells["ours"] - cells["paper"]
    return cells


def correlation_of(cells: pandas.DataFrame, metric: str) -> float | None:
    """Return the rank correlation of our order and the paper's, over the rows that have both numbers."""
    both = cells.xs(metric, level="metric").dropna(subset=["difference"])
    return rank_correlation(list(both["ours"]), list(both["paper"]))


def rows_differ(lines: pandas.DataFrame, metric: str) -> Anova | str:
    """Test whether networks differ in a metric; solvers, which have no seed, are left out."""
    lines = lines[(lines["metric"] == metric) & lines["seed"].notna()]
    numbers = lines.pivot(index="seed", columns="row", values="number")
    return compare(numbers[list(dict.fromkeys(lines["row"]))])


def count_of(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count_of(1, "epoch"), count_of(2, "epoch")
    ('1 epoch', '2 epochs')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def label_of(metric: str) -> str:
    """Return the name of a metric in reports.

    >>> label_of("phase_aligned_psnr_db"), label_of("gflops")
    ('phase, aligned, PSNR (dB)', 'GFLOPs')
    """
    if metric in NAMES:
        return NAMES[metric]
    ending = max((end for end in UNITS if metric.endswith(end)), key=len)
    quantity = metric.removesuffix(ending).replace("_aligned", ", aligned,")
    return f"{quantity} {UNITS[ending]}"


def display_factor(metric: str) -> int:
    """Return the factor between a metric and its value in tables and figures, which show SSIM in percent."""
    return 100 if metric.endswith("_ssim") else 1


def format_number(metric: str, value: float) -> str:
    """Return a number of a metric as tables show it.

    >>> format_number("phase_ssim", 0.87412), format_number("amplitude_mse", 0.00371234)
    ('87.41', '0.00371')
    >>> format_number("amplitude_psnr_db", 19.618)
    '19.62'
    """
    if metric.endswith(("_ssim", "_psnr_db")) or metric in ("parameters_mib", "milliseconds", "seconds_per_epoch"):
        return f"{display_factor(metric) * value:.2f}"
    if metric == "convergence_epochs":
        return f"{value:.1f}"
    return f"{value:.3g}"
