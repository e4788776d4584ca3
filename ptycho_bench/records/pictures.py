"""Figures of runs and scans as PNG files: stitched fields, sample patches, loss curves, objects, patterns."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from ptycho_bench.data.atomic import write_bytes
from ptycho_bench.evaluation.evaluate import Images

STACKING_RATIO = 0.5  # the panels of a field are stacked if its height / width is smaller
AMPLITUDE_MAP, PHASE_MAP, ERROR_MAP, INTENSITY_MAP = "gray", "twilight_shifted", "RdBu_r", "viridis"


def shared_limits(truth: np.ndarray, prediction: np.ndarray) -> tuple[float, float]:
    """Return colour limits for true and predicted amplitude: the range of the truth, widened if the truth is flat."""
    low, high = float(truth.min()), float(truth.max())
    return (low, high) if high > low else (float(min(low, prediction.min())), float(max(high, prediction.max())) + 1e-6)


def phase_limits(truth: np.ndarray) -> tuple[float, float]:
    """Return limits for a cyclic colour map, at most 2 pi apart.

    The true range fills the middle half of the map, so that no two true phases share a colour.
    """
    low, high = float(truth.min()), float(truth.max())
    half = min(math.pi, max(high - low, 1e-6))
    middle = (low + high) / 2
    return middle - half, middle + half


def draw_image(
    axes: Axes, image: np.ndarray, title: str, cmap: str, limits: tuple[float, float] | None, label: str
) -> None:
    """Draw one image with its colour bar."""
    low, high = limits or (None, None)
    drawn = axes.imshow(image, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def draw_comparison(rows: Sequence[tuple[np.ndarray, np.ndarray]], axes: np.ndarray, names: Sequence[str]) -> None:
    """Draw truth, prediction and error of each (truth, prediction) pair as one row of panels.

    Pairs alternate between amplitude (even index) and phase (odd index).
    """
    for k, (truth, prediction) in enumerate(rows):
        is_phase = bool(k % 2)
        limits = phase_limits(truth) if is_phase else shared_limits(truth, prediction)
        cmap, label = (PHASE_MAP, "rad") if is_phase else (AMPLITUDE_MAP, "transmission")
        error = prediction - truth
        if is_phase:
            error = np.angle(np.exp(1j * error))  # wrapped to [-pi, pi]
        bound = float(np.abs(error).max()) or 1e-6
        draw_image(axes[k, 0], truth, f"{names[k]}: truth", cmap, limits, label)
        draw_image(axes[k, 1], prediction, f"{names[k]}: prediction", cmap, limits, label)
        draw_image(axes[k, 2], error, f"{names[k]}: error", ERROR_MAP, (-bound, bound), label)


def save_figure(figure: plt.Figure, path: Path) -> None:
    """Write a figure as PNG and close it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())


def draw_field(path: Path, truth: Images, field: Images, title: str) -> None:
    """Draw stitched truth, prediction and error of amplitude and phase with shared limits.

    The panels of a wide field are stacked.
    """
    rows, columns = truth.amplitude.shape
    if rows < STACKING_RATIO * columns:
        figure, axes = plt.subplots(6, 1, figsize=(10, 6 * (8.5 * rows / columns + 0.4)), layout="constrained")
        axes = axes.reshape(2, 3)
    else:
        figure, axes = plt.subplots(2, 3, figsize=(12, 7.4), layout="constrained")
    pairs = [(t.numpy(), f.numpy()) for t, f in zip(truth, field, strict=True)]
    draw_comparison(pairs, axes, ("amplitude", "phase"))
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)


def draw_patches(path: Path, intensity: np.ndarray, truth: Images, pred: Images, labels: Sequence[str]) -> None:
    """Draw test patches: the measured pattern, and truth, prediction and error of amplitude and phase.

    Args:
        path: PNG file to write.
        intensity: diffraction patterns (n, H, W), photons.
        truth: true amplitude and phase (rad), each (n, H, W).
        pred: predicted amplitude and phase (rad), each (n, H, W).
        labels: n names of the patches.
    """
    count = len(intensity)
    figure, axes = plt.subplots(2 * count, 4, figsize=(12, 4.6 * count), layout="constrained", squeeze=False)
    for k in range(count):
        draw_image(
            axes[2 * k, 0], np.log1p(intensity[k]), f"{labels[k]}: pattern", INTENSITY_MAP, None, "log(1 + photons)"
        )
        axes[2 * k + 1, 0].axis("off")
        pairs = [(t[k].numpy(), p[k].numpy()) for t, p in zip(truth, pred, strict=True)]
        draw_comparison(pairs, axes[2 * k : 2 * k + 2, 1:], ("amplitude", "phase"))
    save_figure(figure, path)


def draw_losses(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """Draw training and validation loss, the terms of the loss, and the learning rate by epoch."""
    epochs = [row["epoch"] + 1 for row in rows]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
    names = [name.removeprefix("train_") for name in rows[0] if name.startswith("train_")]
    for k, name in enumerate(names):
        axes = left if name == "total" else right
        for part, style in (("train", "-"), ("val", "--")):
            values = [row[f"{part}_{name}"] for row in rows]
            axes.plot(epochs, values, style, color=f"C{k}", marker=".", label=f"{part} {name}")
    rate = left.twinx()
    rate.step(epochs, [row["learning_rate"] for row in rows], color="gray", alpha=0.6, where="mid")
    rate.set_yscale("log")
    rate.set_ylabel("learning rate", fontsize=8, color="gray")
    for axes, title in ((left, "loss"), (right, "terms of the loss")):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_yscale("log")
        axes.legend(fontsize=7)
    save_figure(figure, path)


def draw_object(path: Path, obj: np.ndarray, covered: np.ndarray, probe: np.ndarray | None, title: str) -> None:
    """Draw amplitude and phase of an object, and the modulus of the probe's strongest mode.

    Colour limits are the 1st and 99th percentiles, because thinly covered pixels at the rim would dominate the range.

    Args:
        path: PNG file to write.
        obj: complex (rows, columns), no unit.
        covered: bool (rows, columns); pixels that are not covered stay white.
        probe: complex (modes, H, W), sqrt(photons), or None.
        title: title of the figure.
    """
    panels = 2 if probe is None else 3
    figure, axes = plt.subplots(1, panels, figsize=(5.2 * panels, 4.8), layout="constrained")
    amplitude, phase = np.where(covered, np.abs(obj), np.nan), np.where(covered, np.angle(obj), np.nan)
    limits = [np.nanpercentile(image, (1, 99)) for image in (amplitude, phase)]
    draw_image(axes[0], amplitude, "amplitude", AMPLITUDE_MAP, tuple(limits[0]), "transmission")
    draw_image(axes[1], phase, "phase", PHASE_MAP, phase_limits(limits[1]), "rad")
    if probe is not None:
        draw_image(axes[2], np.abs(probe[0]), f"probe, mode 1 of {len(probe)}", INTENSITY_MAP, None, "sqrt(photons)")
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)


def draw_correlation(path: Path, frequency: np.ndarray, correlation: np.ndarray, half_bit: np.ndarray) -> None:
    """Draw the Fourier ring correlation of two half data sets and its thresholds; frequency in cycles / px."""
    figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
    axes.plot(frequency, correlation, label="half data sets")
    axes.plot(frequency, half_bit, "--", label="half-bit threshold")
    axes.axhline(1 / 7, color="gray", linestyle=":", label="1/7 threshold")
    axes.set_xlabel("spatial frequency (cycles / px)")
    axes.set_ylabel("Fourier ring correlation")
    axes.set_ylim(-0.1, 1.05)
    axes.legend(fontsize=8)
    save_figure(figure, path)


def draw_misfit(path: Path, curves: dict[str, Sequence[float]]) -> None:
    """Draw the diffraction misfit by iteration, one curve per name."""
    figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
    for name, misfits in curves.items():
        axes.plot(range(1, len(misfits) + 1), misfits, marker=".", label=name)
    axes.set_xlabel("iteration")
    axes.set_ylabel("diffraction misfit")
    axes.set_yscale("log")
    axes.legend(fontsize=8)
    save_figure(figure, path)


def draw_scan(path: Path, patterns: np.ndarray, mean: np.ndarray, positions_px: np.ndarray, title: str) -> None:
    """Draw diffraction patterns, their mean, and the scan positions coloured in scan order.

    Args:
        path: PNG file to write.
        patterns: first patterns (n, H, W), photons.
        mean: mean pattern (H, W), photons.
        positions_px: scan positions (N, 2) as (y, x), px.
        title: title of the figure.
    """
    panels = len(patterns) + 2
    figure, axes = plt.subplots(1, panels, figsize=(3.4 * panels, 3.4), layout="constrained")
    for k, pattern in enumerate(patterns):
        draw_image(axes[k], np.log1p(pattern), f"pattern {k}", INTENSITY_MAP, None, "log(1 + photons)")
    draw_image(axes[-2], np.log1p(mean), "mean pattern", INTENSITY_MAP, None, "log(1 + photons)")
    y, x = positions_px.T
    axes[-1].scatter(x, y, c=np.arange(len(x)), s=3, cmap="viridis")
    axes[-1].set_aspect("equal")
    axes[-1].invert_yaxis()
    axes[-1].set_title("positions (px), dark to bright in scan order", fontsize=9)
    axes[-1].tick_params(labelsize=7)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, path)
