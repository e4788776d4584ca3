"""Measure how long ptycho-report takes to read many runs and compute their table, without figures.

python scripts/benchmark_report.py outputs/runs/first_run/RUN --runs 2000 --repeats 5
"""

import argparse
import json
import platform
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.tables import make_table

METRICS = ("amplitude_psnr_db", "amplitude_ssim", "phase_psnr_db", "phase_ssim")
COPIED_FILES = ("results.json", "metrics.csv", "patches.csv")


def write_copies(run: Path, count: int, outputs: Path) -> Path:
    """Write copies of a run's records and a plan that arranges them as the seeds of ten rows.

    Args:
        run: folder of a finished run.
        count: number of copies.
        outputs: folder for the copies and the plan.

    Returns:
        Path of the plan.
    """
    rows = [f"row {place}" for place in range(10)]
    cells = []
    for number in range(count):
        folder = outputs / f"runs/benchmark/copy-{number}"
        folder.mkdir(parents=True)
        for name in COPIED_FILES:
            shutil.copy(run / name, folder)
        place = {"group": "", "row": rows[number % len(rows)], "value": None}
        cells.append({**place, "seed": number // len(rows), "folder": f"runs/benchmark/{folder.name}"})
    benchmark = {
        "title": "Copies", "source": None, "base": {}, "seeds": list(range(count // len(rows))), "part": "stitched",
        "metrics": dict.fromkeys(METRICS, "higher"), "rows": [{"label": row, "run": {}} for row in rows],
    }  # fmt: skip
    plan = outputs / "benchmarks/copies/plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text(json.dumps({"name": "copies", "epochs": None, "benchmark": benchmark, "cells": cells}))
    return plan


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder)
        plan = write_copies(options.run, options.runs, outputs)
        seconds = []
        for _ in range(options.repeats):
            started = time.perf_counter()
            make_table(collect(plan, outputs))
            seconds.append(time.perf_counter() - started)
    size = (options.run / "results.json").stat().st_size
    print(
        f"{options.runs} runs of {size / 1024:.1f} KiB: {statistics.median(seconds):.2f} s "
        f"({min(seconds):.2f} to {max(seconds):.2f}) on {platform.machine()}, {platform.platform()}"
    )


if __name__ == "__main__":
    main()
