"""Figures of a benchmark's numbers: bars, boxes, curves, degradation, quality against cost."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ptycho_bench.benchmark.run import COSTS
from ptycho_bench.benchmark.tables import Block, Table
from ptycho_bench.report.drawing import block_title, line_style, panels, plt, point_style, row_colour, tick_names
from ptycho_bench.report.numbers import display_factor, label_of
from ptycho_bench.report.wording import CONSTANT, has_constant

SMALL = 10  # font size, points
COST_AXES = ("parameters_mib", "gflops", "milliseconds", "seconds_per_epoch")
CONSTANT_STYLE = {"color": "gray", "linestyle": ":", "linewidth": 1.5}
LOGARITHMIC_RANGE = 20  # ratio of the largest value to the smallest above which an axis is logarithmic


def bars(table: Table, block: Block) -> Figure | None:
    """Draw the mean of each row with its spread over seeds, one panel per metric.

    Lines are the paper's number and the score of a constant guess.
    """
    means, spreads, papers = (block.wide(column).loc[block.shown] for column in ("ours", "std", "paper"))
    metrics = [metric for metric in means if means[metric].notna().any()]
    if not metrics:
        return None
    figure, axes = panels(len(metrics), height=0.9 + 0.28 * len(means), shared=True)
    colours = [row_colour(block.rows.index(row)) for row in block.shown]
    for metric, panel in zip(metrics, axes, strict=True):
        factor = display_factor(metric)
        panel.barh(range(len(means)), factor * means[metric], color=colours, xerr=factor * spreads[metric], capsize=3)
        for place, paper in enumerate(factor * papers[metric]):
            if np.isfinite(paper):
                for edge in ({"color": "white", "linewidth": 4}, {"color": "black", "linewidth": 2}):
                    panel.vlines(paper, place - 0.42, place + 0.42, **edge)
        if np.isfinite(constant := block.constant(metric)):
            panel.axvline(factor * constant, **CONSTANT_STYLE)
        panel.set_title(label_of(metric), fontsize=SMALL)
    name_rows(axes, block.shown)
    legend = "; black line: paper" if papers.notna().any(axis=None) else ""
    legend += f"; dotted line: {CONSTANT}" if has_constant(block) else ""
    figure.suptitle(f"{block_title(table, block)}{legend}", fontsize=SMALL)
    return figure


def name_rows(axes: Sequence[Axes], names: Sequence[str]) -> None:
    """Write the names of rows, from top to bottom, beside panels that share them."""
    for panel in axes:
        panel.set_yticks(range(len(names)), tick_names(names), fontsize=8)
    axes[0].invert_yaxis()


def box(table: Table, block: Block) -> Figure | None:
    """Draw the distribution over the test patches of all runs of each row."""
    metrics = [metric for metric in table.benchmark.metrics if metric not in COSTS]
    patches = {row: patches_of_row(table, block, row, metrics) for row in block.rows}
    patches = {row: frame for row, frame in patches.items() if frame is not None}
    if not patches or not metrics:
        return None
    figure, axes = panels(len(metrics), height=0.9 + 0.28 * len(patches), shared=True)
    colours = [row_colour(block.rows.index(row)) for row in patches]
    for metric, panel in zip(metrics, axes, strict=True):
        values = [display_factor(metric) * frame[metric].dropna() for frame in patches.values()]
        looks = {"widths": 0.6, "patch_artist": True, "showfliers": False, "medianprops": {"color": "black"}}
        drawn = panel.boxplot(values, positions=range(len(patches)), orientation="horizontal", **looks)
        for patch, colour in zip(drawn["boxes"], colours, strict=True):
            patch.set_facecolor(colour)
        panel.set_title(label_of(metric), fontsize=SMALL)
    name_rows(axes, list(patches))
    figure.suptitle(f"{block_title(table, block)}: test patches of all seeds", fontsize=SMALL)
    return figure


def patches_of_row(table: Table, block: Block, row: str, metrics: Sequence[str]) -> pandas.DataFrame | None:
    """Return the metrics of the test patches of all finished runs of a row, or None if no run has recorded them.

    Args:
        table: the table.
        block: block of the row.
        row: label of the row.
        metrics: names of the metrics.
    """
    runs = block.runs_of(row)
    folders = [table.results.outputs_dir / folder for folder in runs.loc[runs["status"] == "done", "folder"]]
    frames = [read_patches(folder / "patches.csv", metrics) for folder in folders if (folder / "patches.csv").is_file()]
    return pandas.concat(frames) if frames else None


def read_patches(file: Path, metrics: Sequence[str]) -> pandas.DataFrame:
    """Return one line for each test patch of a run; NaN for numbers that are missing or infinite.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        frame = pandas.read_csv(file).reindex(columns=metrics).apply(pandas.to_numeric, errors="coerce")
    except ValueError as error:  # also the errors of pandas' parser
        raise ValueError(f"{file} is no table of test patches; delete it and repeat the run") from error
    return frame.replace([np.inf, -np.inf], np.nan)


def curves(table: Table) -> dict[str, Figure]:
    """Draw each metric against what varies, one curve per row with a band of one standard deviation, by group.

    Raises:
        ValueError: If nothing varies in the benchmark.
    """
    vary = table.benchmark.vary
    if vary is None:
        raise ValueError(
            f"benchmark {table.benchmark.name} has the figure curves, but nothing varies; remove curves or add vary"
        )
    found = {}
    for group in table.benchmark.group_names():
        blocks = [block for block in table.blocks if block.group == group]
        if not any(block.cells["ours"].notna().any() for block in blocks):
            continue
        metrics = list(table.benchmark.metrics)
        figure, axes = panels(len(metrics))
        for metric, panel in zip(metrics, axes, strict=True):
            draw_curves(panel, blocks, metric)
            numbers = [value for value in vary.values if isinstance(value, (int, float))]
            if numbers and min(numbers) > 0 and max(numbers) / min(numbers) > LOGARITHMIC_RANGE:
                panel.set_xscale("log")
            if metric == "seconds":
                panel.set_yscale("log")
            panel.set_xlabel(vary.label)
            panel.set_title(label_of(metric), fontsize=SMALL)
        axes[0].legend(fontsize=8)
        figure.suptitle(", ".join(filter(None, (table.title, group))), fontsize=SMALL)
        found[group] = figure
    return found


def draw_curves(panel: Axes, blocks: Sequence[Block], metric: str) -> None:
    """Draw the curve of each row and of a constant guess over the blocks of a group, where there are numbers."""
    factor = display_factor(metric)
    for place, row in enumerate(blocks[0].rows):
        cells = {block.value: block.places[row, metric] for block in blocks}
        cells = {value: cell for value, cell in cells.items() if not np.isnan(cell.ours)}
        if not cells:
            continue
        x = list(cells)
        y = factor * np.array([cell.ours for cell in cells.values()])
        spread = factor * np.nan_to_num([cell.std for cell in cells.values()])
        panel.plot(x, y, label=row, **line_style(place))
        panel.fill_between(x, y - spread, y + spread, color=row_colour(place), alpha=0.2)
    constants = {block.value: factor * block.constant(metric) for block in blocks}
    if np.isfinite(list(constants.values())).any():
        panel.plot(list(constants), list(constants.values()), label=CONSTANT, **CONSTANT_STYLE)


def degradation(table: Table, block: Block) -> Figure | None:
    """Draw how much worse each row is than the last one, which is the whole model, in percent of its value."""
    worse = relative_loss(block)
    if worse.empty:
        return None
    bound = float(np.nanpercentile(np.abs(worse), 95)) or 1.0
    size = (1.1 * len(worse.columns) + 3, 0.38 * len(worse) + 2.2)
    figure, panel = plt.subplots(figsize=size, layout="constrained")
    drawn = panel.imshow(worse, cmap="PuOr_r", vmin=-bound, vmax=bound, aspect="auto")
    for (y, x), value in np.ndenumerate(worse.to_numpy()):
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.6 * bound else "black"
            panel.text(x, y, f"{value:+.0f}", ha="center", va="center", fontsize=8, color=colour)
    panel.set_xticks(range(len(worse.columns)), map(label_of, worse.columns), rotation=40, ha="right", fontsize=8)
    panel.set_yticks(range(len(worse)), tick_names(worse.index), fontsize=8)
    figure.colorbar(drawn, ax=panel, label="worse by (%)")
    figure.suptitle(f"{table.title}: worse than {block.rows[-1]}, % of its value", fontsize=SMALL)
    return figure


def relative_loss(block: Block) -> pandas.DataFrame:
    """Return how much worse each row is than the last one, in percent of its value.

    Returns:
        One line for each row with a number, one column for each metric that the last row has and that has a direction;
        positive is worse.
    """
    means = block.wide("ours")
    means = means[[metric for metric in means if block.directions[metric] != "none"]]
    whole = means.iloc[-1].dropna()
    change = 100 * (means.iloc[:-1][whole.index] / whole - 1)
    signs = [1 if block.directions[metric] == "lower" else -1 for metric in whole.index]
    return (change * signs).dropna(how="all")


def pareto(table: Table, block: Block) -> Figure | None:
    """Draw quality against cost, one point per row, for each cost that its runs or profiles have."""
    means = block.wide("ours").dropna(axis="columns", how="all")
    costs = [metric for metric in COST_AXES if metric in means]
    quality = main_qualities(list(means))
    if not costs or not quality:
        return None
    size = (4.4 * len(costs), 3.4 * len(quality))
    figure, axes = plt.subplots(len(quality), len(costs), figsize=size, layout="constrained", squeeze=False)
    for (y, x), panel in np.ndenumerate(axes):
        metric, cost = quality[y], costs[x]
        for place, row in enumerate(block.rows):
            if means.loc[row, [metric, cost]].notna().all():
                at = means.loc[row, cost], display_factor(metric) * means.loc[row, metric]
                panel.scatter(*at, **point_style(place), s=60, label=row)
        panel.set_xscale("log")
        panel.set_xlabel(label_of(cost))
        panel.set_ylabel(label_of(metric))
    marks = {name: mark for panel in axes.flat for mark, name in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(marks.values(), marks, loc="outside right upper", fontsize=8)
    figure.suptitle(block_title(table, block), fontsize=SMALL)
    return figure


def main_qualities(metrics: Sequence[str]) -> list[str]:
    """Return the SSIM of amplitude and phase, or their PSNR if there is no SSIM; the aligned phase if there is one.

    >>> main_qualities(["phase_ssim", "phase_aligned_ssim", "amplitude_ssim", "amplitude_psnr_db"])
    ['phase_aligned_ssim', 'amplitude_ssim']
    """
    found = [metric for metric in metrics if metric.endswith("_ssim")]
    found = found or [metric for metric in metrics if metric.endswith("_psnr_db")]
    aligned = {metric.replace("_aligned", "") for metric in found if "_aligned" in metric}
    return [metric for metric in found if metric not in aligned]
