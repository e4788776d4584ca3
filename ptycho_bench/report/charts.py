"""Figures of a benchmark's numbers: bars, boxes, curves, degradation, quality against cost."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ptycho_bench.benchmark.collect import Collected, Place
from ptycho_bench.benchmark.statistics import summary
from ptycho_bench.benchmark.tables import Block, Table, label_of
from ptycho_bench.report.drawing import colour, panels, plt, png, point, style, titled


def bars(collected: Collected, table: Table, block: Block) -> bytes | None:
    """Mean of each row with its spread over seeds, a panel a metric; the paper's as a line across the bar."""
    metrics = [m for m in table.benchmark.metrics if any(line.cells[m].ours for line in block.lines)]
    if not metrics:
        return None
    figure, axes = panels(len(metrics), height=0.9 + 0.28 * len(block.lines), shared=True)
    for metric, panel in zip(metrics, axes, strict=True):
        factor = 100 if metric.endswith("_ssim") else 1
        for place, line in enumerate(block.lines):
            ours, paper = line.cells[metric].ours, line.cells[metric].paper
            if ours is not None:
                spread = None if ours.std is None else factor * ours.std
                panel.barh(place, factor * ours.mean, color=colour(place), xerr=spread, capsize=3)
            if paper is not None:
                for edge in ({"color": "white", "linewidth": 4}, {"color": "black", "linewidth": 2}):
                    panel.vlines(factor * paper.mean, place - 0.42, place + 0.42, **edge)
        panel.set_title(label_of(metric), fontsize=10)
    name_rows(axes, [line.place.row for line in block.lines])
    printed = "; black line: paper" if any(cell.paper for line in block.lines for cell in line.cells.values()) else ""
    figure.suptitle(f"{titled(table, block)}{printed}", fontsize=10)
    return png(figure)


def name_rows(axes: Sequence[Axes], names: Sequence[str]) -> None:
    """Names of rows, from the top, beside the panels that share them."""
    for panel in axes:
        panel.set_yticks(range(len(names)), names, fontsize=8)
    axes[0].invert_yaxis()


def box(collected: Collected, table: Table, block: Block) -> bytes | None:
    """Distribution over the test patches of all runs of each row."""
    metrics = [
        m for m in table.benchmark.metrics if not m.startswith(("seconds", "parameters", "gflops", "conv", "milli"))
    ]
    rows = {}
    for place, line in enumerate(block.lines):
        folders = [collected.outputs_dir / entry.folder for entry in line.entries if entry.status == "done"]
        patches = [found for found in map(read_patches, folders) if found is not None]
        if patches:
            rows[place] = {m: np.concatenate([one[m] for one in patches]) for m in metrics}
    if not rows:
        return None
    figure, axes = panels(len(metrics), height=0.9 + 0.28 * len(rows), shared=True)
    for metric, panel in zip(metrics, axes, strict=True):
        factor = 100 if metric.endswith("_ssim") else 1
        values = [factor * patches[metric][np.isfinite(patches[metric])] for patches in rows.values()]
        looks = {"widths": 0.6, "patch_artist": True, "showfliers": False, "medianprops": {"color": "black"}}
        drawn = panel.boxplot(values, positions=range(len(rows)), orientation="horizontal", **looks)
        for patch, place in zip(drawn["boxes"], rows, strict=True):
            patch.set_facecolor(colour(place))
        panel.set_title(label_of(metric), fontsize=10)
    name_rows(axes, [block.lines[place].place.row for place in rows])
    figure.suptitle(f"{titled(table, block)}: test patches of all seeds", fontsize=10)
    return png(figure)


def read_patches(folder: Path) -> dict[str, np.ndarray] | None:
    """Metrics of a run's test patches, (N,) each; None: it has no such file."""
    file = folder / "patches.csv"
    if not file.is_file():
        return None
    with file.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "scan"}


def curves(collected: Collected, table: Table) -> dict[str, bytes]:
    """Each metric against what varies, a curve a row, a band of one standard deviation."""
    vary = table.benchmark.vary
    if vary is None:
        raise ValueError(f"benchmark {table.benchmark.name} asks for curves, but nothing varies in it")
    metrics = list(table.benchmark.metrics)
    found = {}
    for group in table.benchmark.groups():
        figure, axes = panels(len(metrics))
        empty = True
        for metric, panel in zip(metrics, axes, strict=True):
            factor = 100 if metric.endswith("_ssim") else 1
            for place, row in enumerate([row for row in table.benchmark.rows if row.group == group]):
                means = {
                    v: summary(list(collected.values(Place(group, row.label, v), metric).values())) for v in vary.values
                }
                means = {value: about for value, about in means.items() if about is not None}
                if not means:
                    continue
                empty = False
                x = list(means)
                y = factor * np.array([about.mean for about in means.values()])
                panel.plot(x, y, label=row.label, **style(place))
                spread = factor * np.array([about.std or 0 for about in means.values()])
                panel.fill_between(x, y - spread, y + spread, color=colour(place), alpha=0.2)
            numbers = [value for value in vary.values if isinstance(value, (int, float))]
            if numbers and min(numbers) > 0 and max(numbers) / min(numbers) > 20:
                panel.set_xscale("log")
            if metric == "seconds":
                panel.set_yscale("log")
            panel.set_xlabel(vary.label)
            panel.set_title(label_of(metric), fontsize=10)
        if empty:
            plt.close(figure)
            continue
        axes[0].legend(fontsize=8)
        figure.suptitle(f"{table.title}{', ' if group else ''}{group}", fontsize=10)
        found["-".join(filter(None, ("curves", group.lower().replace(" ", "_"))))] = png(figure)
    return found


def degradation(collected: Collected, table: Table, block: Block) -> bytes | None:
    """How much worse each row is than the last one, the whole model, in percent of its value."""
    whole = block.lines[-1]
    metrics = [m for m in table.benchmark.metrics if whole.cells[m].ours is not None]
    rows = [line for line in block.lines[:-1] if any(line.cells[m].ours for m in metrics)]
    if not metrics or not rows:
        return None
    worse = np.full((len(rows), len(metrics)), np.nan)
    for y, line in enumerate(rows):
        for x, metric in enumerate(metrics):
            if line.cells[metric].ours is None:
                continue
            change = line.cells[metric].ours.mean / whole.cells[metric].ours.mean - 1
            worse[y, x] = 100 * (change if table.benchmark.metrics[metric] == "lower" else -change)
    bound = float(np.nanpercentile(np.abs(worse), 95)) or 1.0
    figure, panel = plt.subplots(figsize=(1.1 * len(metrics) + 3, 0.38 * len(rows) + 2.2), layout="constrained")
    drawn = panel.imshow(worse, cmap="PuOr_r", vmin=-bound, vmax=bound, aspect="auto")
    for y, x in np.ndindex(worse.shape):
        if np.isfinite(worse[y, x]):
            dark = abs(worse[y, x]) > 0.6 * bound
            panel.text(
                x, y, f"{worse[y, x]:+.0f}", ha="center", va="center", fontsize=8, color="white" if dark else "black"
            )
    panel.set_xticks(range(len(metrics)), [label_of(metric) for metric in metrics], rotation=40, ha="right", fontsize=8)
    panel.set_yticks(range(len(rows)), [line.place.row for line in rows], fontsize=8)
    figure.colorbar(drawn, ax=panel, label="worse by (%)")
    figure.suptitle(f"{table.title}: worse than {whole.place.row}, % of its value", fontsize=10)
    return png(figure)


def pareto(collected: Collected, table: Table, block: Block) -> bytes | None:
    """Quality against cost: a point a row, for each cost its runs or profiles have."""
    costs = [
        m for m in ("parameters_mib", "gflops", "milliseconds", "seconds_per_epoch") if m in table.benchmark.metrics
    ]
    costs = [m for m in costs if any(line.cells[m].ours for line in block.lines)]
    quality = [m for m in table.benchmark.metrics if m.endswith(("_ssim", "_psnr_db")) and "aligned" not in m]
    quality = [m for m in quality if m.endswith("_ssim")] or quality
    if not costs or not any(line.cells[m].ours for m in quality for line in block.lines):
        return None
    figure, axes = plt.subplots(
        len(quality), len(costs), figsize=(4.4 * len(costs), 3.4 * len(quality)), layout="constrained", squeeze=False
    )
    for y, metric in enumerate(quality):
        factor = 100 if metric.endswith("_ssim") else 1
        for x, cost in enumerate(costs):
            for place, line in enumerate(block.lines):
                if line.cells[metric].ours is None or line.cells[cost].ours is None:
                    continue
                at = line.cells[cost].ours.mean, factor * line.cells[metric].ours.mean
                axes[y, x].scatter(*at, **point(place), s=60, label=line.place.row)
            axes[y, x].set_xscale("log")
            axes[y, x].set_xlabel(label_of(cost))
            axes[y, x].set_ylabel(label_of(metric))
    known = {name: mark for axis in axes.flat for mark, name in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(known.values(), known, loc="outside right upper", fontsize=8)
    figure.suptitle(titled(table, block), fontsize=10)
    return png(figure)
