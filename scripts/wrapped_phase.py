"""Compare the phase error of finished runs by the distance of the true phase from the branch cut.

python scripts/wrapped_phase.py outputs/runs/wrapped/* --scan outputs/data/SCAN.h5 --picture patches.png

It prints a table and draws a few patches. The scan is the file of outputs/data that the runs were tested on.

Errors are wrapped to [-pi, pi].
"""

import argparse
import csv
import itertools
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.config.checkpoint import read_checkpoint, restore_network
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import read_scan
from ptycho_bench.evaluation.metrics import constant_phase_offset
from ptycho_bench.physics.specimens.objects import wrap_phase

EDGES_RAD = (0.0, 0.25, 0.5, 1.0, math.pi)
SHOWN = 5  # number of patches in the picture


def measure(folder: Path, scan: PtychoScan) -> tuple[str, dict[str, float], Tensor, Tensor]:
    """Measure the phase error of a run on its test patches.

    Returns:
        The run's label, its mean errors (rad) by distance from the cut, and true and predicted phase (n, H, W), rad.
    """
    checkpoint = read_checkpoint(folder / "best.ckpt")
    description = checkpoint["ptycho_bench"]
    choices = description["choices"]
    (tested,) = description["test"]
    if tested["content_hash"] != scan.content_hash:
        sys.exit(f"{folder.name} was tested on another scan; name the file of outputs/data that it was tested on")
    points = np.array(tested["points"])
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
    """Draw the patches that cross the cut most often, with the truth in the first row and one row per run below."""
    import matplotlib.pyplot as plt

    crossing = (true.diff(dim=-1).abs() > 3).sum(dim=(1, 2)) + (true.diff(dim=-2).abs() > 3).sum(dim=(1, 2))
    most_wrapped = crossing.argsort(descending=True)[: 4 * SHOWN : 4]
    rows = {"truth": true, **predictions}
    figure, axes = plt.subplots(len(rows), SHOWN, figsize=(1.6 * SHOWN, 1.7 * len(rows)), layout="constrained")
    for line, (label, phase) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(label, fontsize=7)
        for axis, patch in zip(line, phase[most_wrapped], strict=True):
            shown = axis.imshow(wrap_phase(patch), cmap="twilight", vmin=-math.pi, vmax=math.pi)
            axis.set_xticks([])
            axis.set_yticks([])
    figure.colorbar(shown, ax=axes, label="phase (rad)", shrink=0.6)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the table as CSV and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--scan", required=True)
    parser.add_argument("--picture")
    options = parser.parse_args()
    scan = read_scan(options.scan)
    writer, predictions, true = None, {}, None
    for folder in options.folders:
        if not (folder / "results.json").is_file():
            print(f"skip: the run in {folder} is not finished", file=sys.stderr)
            continue
        previous = true
        label, row, true, phase = measure(folder, scan)
        if previous is not None and not torch.equal(previous, true):
            sys.exit(f"{folder.name} was tested on other patches than the runs before it; pass runs of one test set")
        predictions[f"{label}, {folder.name[-10:]}"] = phase
        if writer is None:
            writer = csv.DictWriter(sys.stdout, ["run", "choices", *row])
            writer.writeheader()
        writer.writerow({"run": folder.name, "choices": label, **{name: f"{v:.4f}" for name, v in row.items()}})
    if options.picture:
        draw(options.picture, true, predictions)


if __name__ == "__main__":
    main()
