"""A small benchmark and the folders that its runs leave, written by hand."""

import json
from pathlib import Path

import numpy as np

BENCHMARK = {
    "title": "Two networks", "source": "A paper, Table 1", "base": {"data": "ltem"}, "seeds": [0, 1, 2],
    "part": "stitched", "metrics": {"phase_psnr_db": "higher", "phase_ssim": "higher", "convergence_epochs": "lower"},
    "figures": ["bars", "box", "fields", "sections", "patches", "spectrum_radial", "spectrum_diagonal"],
    "rows": [
        {"label": "first", "run": {"model": "w3"}, "paper": {"phase_psnr_db": [20.0, 0.5], "phase_ssim": 0.7}},
        {"label": "second & last", "run": {"model": "w1"}, "paper": {"phase_psnr_db": 18.0}},
        {"label": "third", "run": {"model": "w2"}, "paper": {"phase_psnr_db": 17.0}},
    ],
}  # fmt: skip
PLAN = "benchmarks/two/plan.json"


def record(psnr, ssim, *, seed, data="d" * 64, epochs=4, protocol=1):
    """Return the results of a training."""
    return {
        "run": "x", "seed": seed, "choices": {"model": "w3", "input": "log1p", "phase": "scaled"},
        "data": {"content_hash": data, "pattern_px": 32},
        "split": {"leakage": {"test_patches": 0.3, "field": 0.2, "scored": 0.1}},
        "training": {"epochs": epochs, "seconds": 12.0, "seconds_per_epoch": 3.0, "parameters": 2**20,
                     "stored_numbers": 2**21, "device": "cpu"},
        "environment": {"git": {"commit": "c" * 40, "modified": False}, "processor": "a processor", "gpus": []},
        "metrics": {"protocol_version": protocol, "not_learned": [],
                    "stitched": {"phase_psnr_db": psnr, "phase_ssim": ssim},
                    "patch_mean": {"phase_psnr_db": psnr - 1, "phase_ssim": ssim},
                    "constant": {"stitched": {"phase_psnr_db": 12.0}, "patch_mean": {"phase_psnr_db": 13.0}},
                    "interval": {"stitched": {"phase_psnr_db": [psnr - 0.5, psnr + 0.5]}}},
    }  # fmt: skip


def write_outputs(outputs: Path) -> None:
    """Write the folders of a sweep: two rows are done; of the third row one run has failed and two have not begun."""
    rng = np.random.default_rng(0)
    cells = []
    for row, psnr in (("first", 21.0), ("second & last", 19.0), ("third", 15.0)):
        for seed in range(3):
            name = f"runs/benchmark/{row.split()[0]}-s{seed}"
            cell = {"group": "", "row": row, "value": None, "seed": seed, "folder": name}
            cells.append({**cell, "command": f"ptycho-train seed={seed}"})
            if row != "third":
                found = record(psnr + 0.1 * seed + 0.01 * rng.normal(), 0.8 + 0.01 * seed, seed=seed)
                write_run(outputs / name, found, rng)
    failed = outputs / "runs/benchmark/third-s0"
    failed.mkdir(parents=True)
    (failed / "error.txt").write_text("Traceback\nValueError: training diverged\n")
    (outputs / PLAN).parent.mkdir(parents=True)
    (outputs / PLAN).write_text(json.dumps({"name": "two", "epochs": None, "benchmark": BENCHMARK, "cells": cells}))


def write_run(folder: Path, found: dict, rng: np.random.Generator) -> None:
    """Write the files of a finished run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(found))
    losses = "\n".join(f"{k},{loss}" for k, loss in enumerate((1.0, 0.502, 0.5, 0.6)))
    (folder / "metrics.csv").write_text(f"epoch,val_total\n{losses}\n")
    images = {name: rng.random((24, 30)) for name in ("amplitude", "phase", "true_amplitude", "true_phase")}
    np.savez(folder / "field.npz", **images)
    np.savez(folder / "samples.npz", **{name: image[None] for name, image in images.items()})
    rows = "\n".join(f"{k},{k + 15.0},{0.5 + k / 100}" for k in range(9))
    (folder / "patches.csv").write_text(f"point,phase_psnr_db,phase_ssim\n{rows}\n")


def finish_third_row(outputs: Path) -> None:
    """Write the records of the third row."""
    for seed in range(3):
        file = outputs / f"runs/benchmark/third-s{seed}/results.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(record(20.0 + 0.1 * seed, 0.9, seed=seed)))


def change(file: Path, **changes) -> None:
    """Change keys of a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def vary(outputs: Path, values: list[float], **changes) -> None:
    """Make the benchmark vary the photons, with the same run at each value."""
    plan = json.loads((outputs / PLAN).read_text())
    varied = {"label": "photons", "key": "data.photons", "values": values, "of": "training"}
    cells = [{**cell, "value": value} for cell in plan["cells"] for value in values]
    change(outputs / PLAN, benchmark={**BENCHMARK, "vary": varied, **changes}, cells=cells)
