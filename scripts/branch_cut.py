"""Compute Table I of CPR as a figure: scalar, wrapped and circular phase losses and their slopes at the branch cut.

python scripts/branch_cut.py --csv branch_cut.csv --picture branch_cut.png
"""

import argparse
import csv
import math
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from ptycho_bench.physics.specimens.objects import wrap_phase
from ptycho_bench.records.pictures import save_figure

TRUE_RAD = math.pi - 0.1  # close to the cut
LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "scalar: (p - t)^2": lambda phase: (phase - TRUE_RAD).square(),
    "wrapped: angle(exp i(p - t))^2": lambda phase: wrap_phase(phase - TRUE_RAD).square(),
    "circular: 1 - cos(p - t)": lambda phase: 1 - (phase - TRUE_RAD).cos(),
    "chord: |(cos, sin) p - (cos, sin) t|^2": lambda phase: (
        (phase.cos() - math.cos(TRUE_RAD)).square() + (phase.sin() - math.sin(TRUE_RAD)).square()
    ),
}
LINE_STYLES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"))


def main() -> None:
    """Compute the losses, print a few values, and write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=721)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    error = torch.linspace(-math.pi, math.pi, arguments.points, dtype=torch.float64)[1:-1]  # signed, on the circle
    results = {}
    for name, loss in LOSSES.items():
        phase = wrap_phase(TRUE_RAD + error).requires_grad_()  # prediction of a network bounded to [-pi, pi)
        value = loss(phase)
        (slope,) = torch.autograd.grad(value.sum(), phase)
        results[name] = value.detach(), slope
    print(f"true phase {TRUE_RAD:.3f} rad, {math.pi - TRUE_RAD:.1f} rad below the branch cut")
    print(f"{'loss':42s} {'at error -0.05':>20s} {'at +0.05':>20s} {'at +0.15, across the cut':>26s}")
    for name, (value, slope) in results.items():
        indices = [int((error - at).abs().argmin()) for at in (-0.05, 0.05, 0.15)]
        cells = [f"{value[k]:.4f}, slope {slope[k]:+.3f}" for k in indices]
        print(f"{name:42s} {cells[0]:>20s} {cells[1]:>20s} {cells[2]:>26s}")
    if arguments.csv:
        with arguments.csv.open("w", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(["error_rad", *(f"{name} {what}" for name in results for what in ("value", "slope"))])
            for k, at in enumerate(error.tolist()):
                writer.writerow(
                    [f"{at:.6g}", *(f"{tensor[k].item():.6g}" for pair in results.values() for tensor in pair)]
                )
    if arguments.picture:
        figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
        for (name, pair), (color, style) in zip(results.items(), LINE_STYLES, strict=True):
            for panel, tensor in zip(axes, pair, strict=True):
                panel.plot(error, tensor, style, color=color, label=name)
        for panel, title in zip(axes, ("loss", "slope of the loss"), strict=True):
            panel.axvline(math.pi - TRUE_RAD, color="gray", linewidth=0.8)
            panel.set_title(f"{title}; the gray line is the branch cut", fontsize=10)
            panel.set_xlabel("error on the circle (rad)")
        axes[0].set_ylim(0, 12)
        axes[0].legend(fontsize=8)
        save_figure(figure, arguments.picture)


if __name__ == "__main__":
    main()
