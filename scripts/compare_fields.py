"""Draw the stitched test fields of several runs on one data set below each other, with shared limits.

python scripts/compare_fields.py outputs/runs/siemens/* --names PtychoNN PPN --out siemens_networks.png
"""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from ptycho_bench.records.pictures import AMPLITUDE_MAP, PHASE_MAP, draw_image, phase_limits, save_figure, shared_limits


def main() -> None:
    """Read the field.npz of each run and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--names", nargs="+", help="names of the runs (default: names of their models)")
    parser.add_argument("--truth", default="truth", help="name of the reference field")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    names = arguments.names or [
        json.loads((run / "results.json").read_text())["choices"]["model"] for run in arguments.runs
    ]
    fields = [dict(np.load(run / "field.npz")) for run in arguments.runs]
    truth = fields[0]["true_amplitude"], fields[0]["true_phase"]
    for run, field in zip(arguments.runs, fields, strict=True):
        if not np.array_equal(field["true_phase"], truth[1]):
            parser.error(
                f"{run} was tested on a different field than {arguments.runs[0]}; pass runs with the same test field"
            )
    images = {arguments.truth: truth} | {
        name: (field["amplitude"], field["phase"]) for name, field in zip(names, fields, strict=True)
    }
    rows, columns = truth[0].shape
    size = (15, len(images) * (6.2 * rows / columns + 0.35))
    figure, axes = plt.subplots(len(images), 2, figsize=size, layout="constrained", squeeze=False)
    styles = (
        (AMPLITUDE_MAP, shared_limits(truth[0], truth[0]), "transmission"),
        (PHASE_MAP, phase_limits(truth[1]), "rad"),
    )
    for row, (name, pair) in zip(axes, images.items(), strict=True):
        for panel, image, quantity, (cmap, limits, label) in zip(
            row, pair, ("amplitude", "phase"), styles, strict=True
        ):
            draw_image(panel, image, f"{quantity}: {name}", cmap, limits, label)
    save_figure(figure, arguments.out)


if __name__ == "__main__":
    main()
