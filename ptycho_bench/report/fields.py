"""Figures of a benchmark's reconstructions: stitched fields, patches, sections, power spectra."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ptycho_bench.benchmark.collect import Collected
from ptycho_bench.benchmark.tables import Block, Table
from ptycho_bench.evaluation.spectrum import band_energies, diagonal_spectrum, radial_spectrum
from ptycho_bench.records.pictures import AMPLITUDE_MAP, PHASE_MAP, phase_limits, shared_limits
from ptycho_bench.report.drawing import COLOURS, DASHES, colour, plt, png, titled

WIDE = 2.5  # width by height, from which fields lie one below the other


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
    """Amplitudes above phases, a column each; of wide fields beside each other, a row each. Limits are the first's."""
    true_amplitude, true_phase = next(iter(columns.values()))
    limits = shared_limits(true_amplitude, true_amplitude), phase_limits(true_phase)
    height, width = true_amplitude.shape
    wide = width > WIDE * height
    side, gap = (5.0, 0.3) if wide else (2.0, 0.25)  # inches: width of an image, room for its name
    tall = side * max(height / width, 0.1)
    counts = (len(columns), 2) if wide else (2, len(columns))
    size = counts[1] * side + 0.9, counts[0] * (tall + gap) + 0.7
    figure, axes = plt.subplots(*counts, figsize=size, layout="constrained", squeeze=False)
    kinds = axes.T if wide else axes  # of both, one row of images a kind
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
