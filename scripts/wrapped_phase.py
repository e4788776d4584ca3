"""Phase error of finished runs by how close the true phase lies to the branch cut; per test patch, on the circle.

python scripts/wrapped_phase.py outputs/runs/wrapped/*  prints a table, and draws a few patches with --picture FILE.png
"""

import argparse
import csv
import itertools
import math
import sys
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor

from ptycho_bench.config.build import read_checkpoint, restore_network
from ptycho_bench.config.datasets import load_scan
from ptycho_bench.evaluation.metrics import constant_phase_offset
from ptycho_bench.physics.specimens.objects import wrap_phase

EDGES_RAD = (0.0, 0.25, 0.5, 1.0, math.pi)
SHOWN = 5


def measure(folder: Path) -> tuple[str, dict[str, float], Tensor, Tensor]:
    """Label of a run, its mean errors (rad) by distance from the cut, and true and predicted phase (n, H, W)."""
    checkpoint = read_checkpoint(folder / "best.ckpt")
    description = checkpoint["ptycho_bench"]
    choices = description["choices"]
    points = np.array(description["test"]["points"])
    scan = load_scan(OmegaConf.create(description["config"]), say=False)
    intensity, _, true = scan.tensors(points)
    _, phase = restore_network(checkpoint).predict(intensity, batch_size=64)
    error = wrap_phase(phase - true).abs()
    aligned = wrap_phase(phase + constant_phase_offset(phase, true)[:, None, None] - true).abs()
    distance = math.pi - wrap_phase(true).abs()
    row = {"all": error.mean().item(), "all, aligned": aligned.mean().item()}
    for low, high in itertools.pairwise(EDGES_RAD):
        near = (distance >= low) & (distance < high)
        row[f"{low:.2f}-{high:.2f} rad from the cut"] = error[near].mean().item()
        row[f"share {low:.2f}-{high:.2f}"] = near.float().mean().item()
    return f"{choices['phase']}, {choices['loss']}", row, true, phase


def draw(path: str, true: Tensor, predictions: dict[str, Tensor]) -> None:
    """Patches that cross the cut most, truth above, each run below, in a cyclic colour scale."""
    import matplotlib.pyplot as plt

    crossing = (true.diff(dim=-1).abs() > 3).sum(dim=(1, 2)) + (true.diff(dim=-2).abs() > 3).sum(dim=(1, 2))
    chosen = crossing.argsort(descending=True)[: 4 * SHOWN : 4]
    rows = {"truth": true, **predictions}
    figure, axes = plt.subplots(len(rows), SHOWN, figsize=(1.6 * SHOWN, 1.7 * len(rows)), layout="constrained")
    for line, (label, phase) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(label, fontsize=7)
        for axis, patch in zip(line, phase[chosen], strict=True):
            shown = axis.imshow(wrap_phase(patch), cmap="twilight", vmin=-math.pi, vmax=math.pi)
            axis.set_xticks([])
            axis.set_yticks([])
    figure.colorbar(shown, ax=axes, label="phase (rad)", shrink=0.6)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the table as CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--picture")
    options = parser.parse_args()
    writer, predictions, true = None, {}, None
    for folder in options.folders:
        if not (folder / "results.json").is_file():
            print(f"skip: {folder} is not finished", file=sys.stderr)
            continue
        before = true
        label, row, true, phase = measure(folder)
        if before is not None and not torch.equal(before, true):
            sys.exit(f"{folder.name} was tested on other patches than the runs before it; compare like with like")
        predictions[f"{label}, {folder.name[-10:]}"] = phase
        if writer is None:
            writer = csv.DictWriter(sys.stdout, ["run", "choices", *row])
            writer.writeheader()
        writer.writerow({"run": folder.name, "choices": label, **{name: f"{v:.4f}" for name, v in row.items()}})
    if options.picture:
        draw(options.picture, true, predictions)


if __name__ == "__main__":
    main()
