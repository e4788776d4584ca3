"""Figures of a benchmark: PNG bytes by name. Colours are Okabe and Ito's, readable for colour-blind readers."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from ptycho_bench.evaluation.spectrum import band_energies, diagonal_spectrum, radial_spectrum
from ptycho_bench.report.collect import Collected, Place
from ptycho_bench.report.pictures import AMPLITUDE_MAP, PHASE_MAP, phase_limits, shared_limits
from ptycho_bench.report.statistics import summary
from ptycho_bench.report.tables import Block, Table, label_of

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = "osD^vP*X"
DASHES = ("-", "--", ":", "-.")
DPI = 100


def colour(place: int) -> str:
    """Colour of a row."""
    return COLOURS[place % len(COLOURS)]


def style(place: int) -> dict[str, str]:
    """Colour, marker and dash of a row's curve; no two of the first 32 are alike."""
    return {
        "color": colour(place),
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DASHES[place // len(COLOURS) % len(DASHES)],
    }


def png(figure: plt.Figure) -> bytes:
    """A figure, closed; without the time it was made, so that the same runs give the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def make_figures(collected: Collected, table: Table) -> dict[str, bytes]:
    """Every figure a benchmark asks for that its runs can fill, PNG by name.

    Raises:
        ValueError: an unknown figure.
    """
    found = {}
    for name in table.benchmark.figures:
        if name not in DRAWN:
            raise ValueError(f"benchmark {table.benchmark.name}: no figure {name!r}; there are {', '.join(DRAWN)}")
        found |= DRAWN[name](collected, table)
    return found


def per_block(draw: Callable[[Collected, Table, Block], bytes | None], name: str) -> Callable:
    """A figure for each block of a table, where its runs can fill it."""

    def drawn(collected: Collected, table: Table) -> dict[str, bytes]:
        found = {}
        for block in table.blocks:
            picture = draw(collected, table, block)
            if picture is not None:
                found["-".join(filter(None, (name, block.title.lower().replace(" ", "_").replace(",", ""))))] = picture
        return found

    return drawn


def panels(
    count: int, *, width: float = 4.2, height: float = 3.4, shared: bool = False
) -> tuple[plt.Figure, list[Axes]]:
    """Axes side by side, four in a row.

    Args:
        count: of them.
        width: of each, inches.
        height: likewise.
        shared: whether all have one vertical axis, which names rows.
    """
    columns = min(count, 4)
    rows = math.ceil(count / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), layout="constrained", squeeze=False, sharey=shared
    )
    flat = list(axes.flat)
    for spare in flat[count:]:
        spare.axis("off")
    return figure, flat[:count]


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


def titled(table: Table, block: Block) -> str:
    """Title of a block's figure."""
    return ", ".join(filter(None, (table.title, block.title)))


def box(collected: Collected, table: Table, block: Block) -> bytes | None:
    """Distribution over test patches of each row's first run."""
    metrics = [
        m for m in table.benchmark.metrics if not m.startswith(("seconds", "parameters", "gflops", "conv", "milli"))
    ]
    rows = {}
    for place, line in enumerate(block.lines):
        done = [entry for entry in line.entries if entry.status == "done"]
        patches = read_patches(collected.outputs_dir / done[0].folder) if done else None
        if patches is not None:
            rows[place] = patches
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
    figure.suptitle(f"{titled(table, block)}: test patches", fontsize=10)
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


def read_arrays(collected: Collected, block: Block, name: str) -> dict[str, dict[str, np.ndarray]]:
    """An NPZ file of each row's first run that is done, by row; rows without it are left out."""
    found = {}
    for line in block.lines:
        done = next((entry for entry in line.entries if entry.status == "done"), None)
        file = None if done is None else collected.outputs_dir / done.folder / name
        if file is not None and file.is_file():
            with np.load(file) as arrays:
                found[line.place.row] = {key: arrays[key] for key in arrays.files}
    return found


def fields(collected: Collected, table: Table, block: Block) -> bytes | None:
    """Stitched amplitude and phase of the truth and of each row's first run, the same limits for all."""
    there = read_arrays(collected, block, "field.npz")
    if not there:
        return None
    first = next(iter(there.values()))
    columns = {"truth": (first["true_amplitude"], first["true_phase"])}
    columns |= {row: (field["amplitude"], field["phase"]) for row, field in there.items()}
    return image_grid(columns, f"{titled(table, block)}: stitched")


def image_grid(columns: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str) -> bytes:
    """Amplitudes above phases, a column each; limits are the first column's."""
    true_amplitude, true_phase = next(iter(columns.values()))
    limits = shared_limits(true_amplitude, true_amplitude), phase_limits(true_phase)
    height, width = true_amplitude.shape
    side = 2.0
    figure, axes = plt.subplots(
        2, len(columns), figsize=(side * len(columns) + 0.8, 2 * side * max(0.5, min(2.0, height / width)) + 0.9),
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for column, (name, images) in enumerate(columns.items()):
        for row, image in enumerate(images):
            low, high = limits[row]
            cmap = (AMPLITUDE_MAP, PHASE_MAP)[row]
            drawn = axes[row, column].imshow(image, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
            axes[row, column].set_xticks([])
            axes[row, column].set_yticks([])
            if column == len(columns) - 1:
                bar = figure.colorbar(drawn, ax=list(axes[row]), fraction=0.02, pad=0.01)
                bar.set_label(("amplitude", "phase (rad)")[row], fontsize=8)
                bar.ax.tick_params(labelsize=7)
        axes[0, column].set_title(name, fontsize=9, wrap=True)
    figure.suptitle(title, fontsize=10)
    return png(figure)


def sections(collected: Collected, table: Table, block: Block) -> bytes | None:
    """Amplitude and phase along the middle row of the stitched field."""
    there = read_arrays(collected, block, "field.npz")
    if not there:
        return None
    first = next(iter(there.values()))
    figure, axes = plt.subplots(1, 2, figsize=(12, 3.6), layout="constrained")
    for panel, name in zip(axes, ("amplitude", "phase"), strict=True):
        truth = first[f"true_{name}"]
        middle = truth.shape[0] // 2
        panel.plot(truth[middle], color="black", linewidth=2, label="truth")
        for place, (row, field) in enumerate(there.items()):
            panel.plot(field[name][middle], color=colour(place), linestyle=DASHES[place % 4], linewidth=1, label=row)
        panel.set_xlabel("px")
        panel.set_title(f"{name}{' (rad)' if name == 'phase' else ''}, row {middle} of the stitched field", fontsize=10)
    axes[0].legend(fontsize=7)
    figure.suptitle(titled(table, block), fontsize=10)
    return png(figure)


def spectrum(kind: str) -> Callable[[Collected, Table, Block], bytes | None]:
    """Power spectra of the stitched fields, and their energy in three bands, as text below."""
    take = {"diagonal": diagonal_spectrum, "radial": radial_spectrum}[kind]

    def draw(collected: Collected, table: Table, block: Block) -> bytes | None:
        there = read_arrays(collected, block, "field.npz")
        if not there:
            return None
        first = next(iter(there.values()))
        figure, axes = plt.subplots(2, 2, figsize=(12, 6.6), layout="constrained")
        for column, name in enumerate(("amplitude", "phase")):
            images = {"truth": first[f"true_{name}"]} | {row: field[name] for row, field in there.items()}
            energies = []
            for place, (row, image) in enumerate(images.items()):
                frequency, power = take(image)
                look = (
                    {"color": "black", "linewidth": 2}
                    if row == "truth"
                    else {"color": colour(place - 1), "linestyle": DASHES[place % 4]}
                )
                axes[0, column].semilogy(frequency, power, label=row, **look)
                energies.append(band_energies(frequency, power, kind) if np.ptp(image) > 0 else (np.nan,) * 3)
            axes[0, column].set_title(f"{name}: {kind} power spectrum", fontsize=10)
            axes[0, column].set_xlabel("cycles / px")
            places = np.arange(len(images))
            for band, (label, hatch) in enumerate((("low", ""), ("middle", "//"), ("high", "xx"))):
                heights = [100 * energy[band] for energy in energies]
                axes[1, column].bar(
                    places + 0.27 * (band - 1), heights, 0.27, label=label, color=COLOURS[band], hatch=hatch
                )
            axes[1, column].set_yscale("log")
            axes[1, column].set_title(f"{name}: energy in the bands (%)", fontsize=10)
            axes[1, column].set_xticks(places, list(images), rotation=30, ha="right", fontsize=8)
        axes[0, 0].legend(fontsize=7)
        axes[1, 0].legend(fontsize=7)
        figure.suptitle(titled(table, block), fontsize=10)
        return png(figure)

    return draw


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
                point = line.cells[cost].ours.mean, factor * line.cells[metric].ours.mean
                axes[y, x].scatter(*point, color=colour(place), marker=MARKERS[place % len(MARKERS)], s=60)
                axes[y, x].annotate(line.place.row, point, xytext=(5, 4), textcoords="offset points", fontsize=8)
            axes[y, x].set_xscale("log")
            axes[y, x].set_xlabel(label_of(cost))
            axes[y, x].set_ylabel(label_of(metric))
    figure.suptitle(titled(table, block), fontsize=10)
    return png(figure)


def drawn_patches(collected: Collected, table: Table, block: Block) -> bytes | None:
    """The test patches that tell most, of the truth and of each row's first run."""
    sides = read_arrays(collected, block, "samples.npz")
    if not sides:
        return None
    first = next(iter(sides.values()))

    def row(images: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(list(images), axis=0)

    columns = {"truth": (row(first["true_amplitude"]), row(first["true_phase"]))}
    columns |= {name: (row(one["amplitude"]), row(one["phase"])) for name, one in sides.items()}
    return image_grid(columns, f"{titled(table, block)}: single patches")


DRAWN: Mapping[str, Callable[[Collected, Table], dict[str, bytes]]] = {
    "bars": per_block(bars, "bars"),
    "box": per_block(box, "box"),
    "curves": curves,
    "fields": per_block(fields, "fields"),
    "patches": per_block(drawn_patches, "patches"),
    "sections": per_block(sections, "sections"),
    "spectrum_diagonal": per_block(spectrum("diagonal"), "spectrum_diagonal"),
    "spectrum_radial": per_block(spectrum("radial"), "spectrum_radial"),
    "degradation": per_block(degradation, "degradation"),
    "pareto": per_block(pareto, "pareto"),
}
