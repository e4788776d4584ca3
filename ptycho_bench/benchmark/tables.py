"""A benchmark's table: ours over seeds beside the paper's, what is missing, order and tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ptycho_bench.benchmark.collect import Collected, Entry, Place
from ptycho_bench.benchmark.definition import Benchmark, Printed, Value
from ptycho_bench.benchmark.statistics import Anova, Summary, compare, rank_correlation, summary

SEEDLESS = ("gflops", "milliseconds", "parameters_mib")
UNITS = {"_psnr_db": "PSNR (dB)", "_ssim": "SSIM (%)", "_mse": "MSE", "_mae": "MAE", "_wrapped_mae_rad": "MAE (rad)"}
NAMES = {
    "seconds": "seconds",
    "seconds_per_epoch": "seconds an epoch",
    "parameters_mib": "parameters (MiB)",
    "convergence_epochs": "epochs to converge",
    "gflops": "GFLOPs",
    "milliseconds": "milliseconds",
}


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """One number of a table.

    Args:
        ours: over seeds; None: no run has it.
        paper: what is printed; or None.
        done: runs that have the number.
        planned: runs the plan has.
    """

    ours: Summary | None
    paper: Printed | None
    done: int
    planned: int

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return None if self.ours is None or self.paper is None else self.ours.mean - self.paper.mean


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a table.

    Args:
        place: which.
        cells: by metric.
        entries: the runs behind it.
    """

    place: Place
    cells: Mapping[str, TableCell]
    entries: Sequence[Entry]

    @property
    def lacking(self) -> str:
        """Runs that are not done, in words; empty where all are."""
        counts = {status: sum(entry.status == status for entry in self.entries)
                  for status in ("missing", "running", "failed")}  # fmt: skip
        return ", ".join(f"{count} of {len(self.entries)} runs {status}" for status, count in counts.items() if count)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Lines that are compared with each other: one group, at one value of what varies.

    Args:
        group: of rows.
        value: of what varies; None: nothing does.
        varied: how reports name what varies; or None.
        lines: its lines.
        correlation: by metric, Spearman's of our order and the paper's; None where it cannot be had.
        tests: by metric, whether rows differ; or why that cannot be said.
    """

    group: str
    value: Value
    varied: str | None
    lines: Sequence[Line]
    correlation: Mapping[str, float | None]
    tests: Mapping[str, Anova | str]

    @property
    def title(self) -> str:
        """Group and value, as far as there are any."""
        value = None if self.varied is None else f"{self.varied} {self.value}"
        return ", ".join(filter(None, (self.group, value)))


@dataclass(frozen=True, kw_only=True)
class Table:
    """A benchmark's table.

    Args:
        benchmark: the benchmark.
        epochs: of a shortened variant; None: full length.
        blocks: its parts.
    """

    benchmark: Benchmark
    epochs: int | None
    blocks: Sequence[Block]

    @property
    def title(self) -> str:
        """What it is, and whether it is shortened."""
        return self.benchmark.title + ("" if self.epochs is None else f" - shortened to {self.epochs} epochs")

    @property
    def lines(self) -> list[Line]:
        """All lines."""
        return [line for block in self.blocks for line in block.lines]


def make_table(collected: Collected) -> Table:
    """The table of what was collected."""
    benchmark = collected.benchmark
    values = (None,) if benchmark.vary is None else benchmark.vary.values
    by_place = collected.by_place
    blocks = []
    for group in benchmark.groups():
        for value in values:
            rows = [row for row in benchmark.rows if row.group == group]
            lines = []
            for row in rows:
                place = Place(group, row.label, value)
                entries = by_place[place]
                numbers = {metric: collected.values(place, metric) for metric in benchmark.metrics}
                cells = {
                    metric: TableCell(
                        ours=summary(one_or_all(metric, found)), paper=row.paper.get(metric), done=len(found),
                        planned=len(entries),
                    )
                    for metric, found in numbers.items()
                }  # fmt: skip
                lines.append(Line(place=place, cells=cells, entries=entries))
            blocks.append(
                Block(
                    group=group,
                    value=value,
                    varied=None if benchmark.vary is None else benchmark.vary.label,
                    lines=lines,
                    correlation={metric: correlation_of(lines, metric) for metric in benchmark.metrics},
                    tests={metric: rows_differ(collected, lines, metric) for metric in benchmark.metrics},
                )
            )
    return Table(benchmark=benchmark, epochs=collected.epochs, blocks=blocks)


def one_or_all(metric: str, found: Mapping[int | None, float]) -> list[float]:
    """Numbers by seed; one of them where the metric knows no seed, so that no spread is claimed."""
    values = list(found.values())
    return values[:1] if metric in SEEDLESS else values


def correlation_of(lines: Sequence[Line], metric: str) -> float | None:
    """Spearman's of our order and the paper's, over lines that have both."""
    both = [line.cells[metric] for line in lines if line.cells[metric].difference is not None]
    return rank_correlation([cell.ours.mean for cell in both], [cell.paper.mean for cell in both])


def rows_differ(collected: Collected, lines: Sequence[Line], metric: str) -> Anova | str:
    """Whether lines differ in a metric; solvers, which have no seed, stand aside."""
    values = {line.place.row: collected.values(line.place, metric) for line in lines}
    trained = {row: numbers for row, numbers in values.items() if None not in numbers}
    if any(not numbers for numbers in trained.values()):
        return "some rows have no run yet, so no test is made"
    return compare(trained)


def label_of(metric: str) -> str:
    """A metric as a column's head.

    >>> label_of("phase_aligned_psnr_db"), label_of("gflops")
    ('phase, aligned, PSNR (dB)', 'GFLOPs')
    """
    if metric in NAMES:
        return NAMES[metric]
    ending = max((end for end in UNITS if metric.endswith(end)), key=len)
    what = metric.removesuffix(ending).replace("_aligned", ", aligned,")
    return f"{what} {UNITS[ending]}"


def number(metric: str, value: float) -> str:
    """A number of a metric as tables have it.

    >>> number("phase_ssim", 0.87412), number("amplitude_mse", 0.00371234), number("amplitude_psnr_db", 19.618)
    ('87.41', '0.00371', '19.62')
    """
    if metric.endswith("_ssim"):
        return f"{100 * value:.2f}"
    if metric.endswith("_psnr_db") or metric in ("parameters_mib", "milliseconds", "seconds_per_epoch"):
        return f"{value:.2f}"
    if metric == "convergence_epochs":
        return f"{value:.1f}"
    return f"{value:.3g}"


def better_first(lines: Sequence[Line], metric: str, direction: str) -> list[Line]:
    """Lines that have a number, the best first."""
    there = [line for line in lines if line.cells[metric].ours is not None]
    return sorted(there, key=lambda line: line.cells[metric].ours.mean, reverse=direction == "higher")
