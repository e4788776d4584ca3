"""Figures of a benchmark's reconstructions: stitched fields, patches, sections and power spectra."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ptycho_bench.benchmark.tables import Block, Table
from ptycho_bench.evaluation.spectrum import SPECTRA, image_bands
from ptycho_bench.formats.containers.npz import open_npz
from ptycho_bench.records.pictures import AMPLITUDE_MAP, PHASE_MAP, phase_limits, shared_limits
from ptycho_bench.report.drawing import COLOURS, DASHES, block_title, plt, row_colour, tick_names

IMAGES = ("amplitude", "phase", "true_amplitude", "true_phase")
WIDE = 2.5  # ratio of width to height from which fields are drawn below each other


def read_arrays(table: Table, block: Block, name: str, *, axes: int) -> dict[str, dict[str, np.ndarray]]:
    """Return the images in an NPZ file of each row's first finished run, by row; rows without the file are left out.

    Args:
        table: the table.
        block: block of the rows.
        name: name of the file.
        axes: number of axes of each array: 2 for an image, 3 for several.

    Raises:
        ValueError: If a file is damaged.
    """
    found = {}
    for row in block.rows:
        runs = block.runs_of(row)
        files = [table.results.outputs_dir / run / name for run in runs.loc[runs["status"] == "done", "folder"][:1]]
        if files and files[0].is_file():
            with open_npz(files[0]) as archive:
                found[row] = {key: archive.array(key) for key in IMAGES}
            if not all(is_image(array, axes) for array in found[row].values()):
                raise ValueError(f"{files[0]} does not contain images of finite numbers; delete it and repeat the run")
    return found


def is_image(array: np.ndarray, axes: int) -> bool:
    """Return True for an array of finite real numbers with this number of axes, 4 px or more along the last two."""
    plain = array.dtype.kind == "f" and array.ndim == axes and min(array.shape[-2:]) >= 4 and len(array) > 0
    return plain and bool(np.isfinite(array).all())


def fields(table: Table, block: Block) -> Figure | None:
    """Draw stitched amplitude and phase of the truth and of each row's first run, with the same limits for all."""
    arrays = read_arrays(table, block, "field.npz", axes=2)
    if not arrays:
        return None
    first = next(iter(arrays.values()))
    columns = {"truth": (first["true_amplitude"], first["true_phase"])}
    columns |= {row: (field["amplitude"], field["phase"]) for row, field in arrays.items()}
    return image_grid(columns, f"{block_title(table, block)}: stitched")


def patches(table: Table, block: Block) -> Figure | None:
    """Draw the most informative test patches of the truth and of each row's first run."""
    arrays = read_arrays(table, block, "samples.npz", axes=3)
    if not arrays:
        return None
    first = next(iter(arrays.values()))
    columns = {"truth": (np.concatenate(first["true_amplitude"]), np.concatenate(first["true_phase"]))}
    columns |= {row: (np.concatenate(one["amplitude"]), np.concatenate(one["phase"])) for row, one in arrays.items()}
    return image_grid(columns, f"{block_title(table, block)}: single patches")


def image_grid(columns: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str) -> Figure:
    """Draw amplitudes above phases, one column each; wide fields are drawn beside each other, one row each.

    Args:
        columns: real (rows, columns) amplitude and phase (rad) by name; the first sets the limits of all.
        title: title of the figure.
    """
    true_amplitude, true_phase = next(iter(columns.values()))
    limits = shared_limits(true_amplitude, true_amplitude), phase_limits(true_phase)
    height, width = true_amplitude.shape
    wide = width > WIDE * height
    side, gap = (5.0, 0.3) if wide else (2.0, 0.25)  # inches: width of an image, room for its name
    tall = side * max(height / width, 0.1)
    counts = (len(columns), 2) if wide else (2, len(columns))
    size = counts[1] * side + 0.9, counts[0] * (tall + gap) + 0.7
    figure, axes = plt.subplots(*counts, figsize=size, layout="constrained", squeeze=False)
    kinds = axes.T if wide else axes  # one line of images for amplitude, one for phase
    for kind, (label, cmap) in enumerate((("amplitude", AMPLITUDE_MAP), ("phase (rad)", PHASE_MAP))):
        low, high = limits[kind]
        for panel, (name, images) in zip(kinds[kind], columns.items(), strict=True):
            drawn = panel.imshow(images[kind], cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
            panel.set_xticks([])
            panel.set_yticks([])
            if wide or kind == 0:
                panel.set_title(name, fontsize=9, wrap=True)
        place = {"location": "bottom"} if wide else {"location": "right"}
        bar = figure.colorbar(drawn, ax=list(kinds[kind]), fraction=0.02, pad=0.01, **place)
        bar.set_label(label, fontsize=8)
        bar.ax.tick_params(labelsize=7)
    figure.suptitle(title, fontsize=10)
    return figure


def sections(table: Table, block: Block) -> Figure | None:
    """Draw amplitude and phase along the middle row of the stitched field."""
    arrays = read_arrays(table, block, "field.npz", axes=2)
    if not arrays:
        return None
    first = next(iter(arrays.values()))
    figure, axes = plt.subplots(1, 2, figsize=(12, 3.6), layout="constrained")
    for panel, name in zip(axes, ("amplitude", "phase"), strict=True):
        truth = first[f"true_{name}"]
        middle = truth.shape[0] // 2
        panel.plot(truth[middle], color="black", linewidth=2, label="truth")
        for place, (row, field) in enumerate(arrays.items()):
            look = {"color": row_colour(place), "linestyle": DASHES[place % len(DASHES)], "linewidth": 1}
            panel.plot(field[name][middle], label=row, **look)
        panel.set_xlabel("px")
        panel.set_title(f"{name}{' (rad)' if name == 'phase' else ''}, row {middle} of the stitched field", fontsize=10)
    axes[0].legend(fontsize=7)
    figure.suptitle(block_title(table, block), fontsize=10)
    return figure


def spectrum(kind: str) -> Callable[[Table, Block], Figure | None]:
    """Return the function that draws power spectra of the stitched fields and, below, their energy in three bands.

    Args:
        kind: diagonal or radial.
    """

    def draw(table: Table, block: Block) -> Figure | None:
        arrays = read_arrays(table, block, "field.npz", axes=2)
        if not arrays:
            return None
        first = next(iter(arrays.values()))
        figure, axes = plt.subplots(2, 2, figsize=(12, 6.6), layout="constrained")
        for column, name in enumerate(("amplitude", "phase")):
            images = {"truth": first[f"true_{name}"]} | {row: field[name] for row, field in arrays.items()}
            draw_spectra(axes[0, column], images, kind)
            draw_bands(axes[1, column], images, kind)
            axes[0, column].set_title(f"{name}: {kind} power spectrum", fontsize=10)
            axes[1, column].set_title(f"{name}: energy in the bands (%)", fontsize=10)
        axes[0, 0].legend(fontsize=7)
        axes[1, 0].legend(fontsize=7)
        figure.suptitle(block_title(table, block), fontsize=10)
        return figure

    return draw


def draw_spectra(panel: Axes, images: Mapping[str, np.ndarray], kind: str) -> None:
    """Draw the power spectrum of each image; the first image is the truth."""
    for place, (name, image) in enumerate(images.items()):
        look = {"color": row_colour(place - 1), "linestyle": DASHES[place % len(DASHES)]}
        panel.semilogy(*SPECTRA[kind](image), label=name, **(look if place else {"color": "black", "linewidth": 2}))
    panel.set_xlabel("cycles / px")


def draw_bands(panel: Axes, images: Mapping[str, np.ndarray], kind: str) -> None:
    """Draw the share of each image's energy in the low, middle and high frequencies."""
    energies = [image_bands(image, kind) for image in images.values()]
    places = np.arange(len(images))
    for band, (label, hatch) in enumerate((("low", ""), ("middle", "//"), ("high", "xx"))):
        heights = [100 * energy[band] for energy in energies]
        panel.bar(places + 0.27 * (band - 1), heights, 0.27, label=label, color=COLOURS[band], hatch=hatch)
    panel.set_yscale("log")
    panel.set_xticks(places, tick_names(images), rotation=30, ha="right", fontsize=8)
