"""Seconds ptycho-report takes to read many runs and make their table, figures aside.

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
KEPT = ("results.json", "metrics.csv", "patches.csv")


def copies(run: Path, count: int, outputs: Path) -> Path:
    """A plan of so many seeds of ten rows, each a copy of a run's record.

    Args:
        run: folder of a finished run.
        count: of copies.
        outputs: where they go.

    Returns:
        The plan's file.
    """
    rows = [f"row {place}" for place in range(10)]
    cells = []
    for number in range(count):
        folder = outputs / f"runs/benchmark/copy-{number}"
        folder.mkdir(parents=True)
        for name in KEPT:
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
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder)
        plan = copies(options.run, options.runs, outputs)
        taken = []
        for _ in range(options.repeats):
            started = time.perf_counter()
            make_table(collect(plan, outputs))
            taken.append(time.perf_counter() - started)
    size = (options.run / "results.json").stat().st_size
    print(
        f"{options.runs} runs of {size / 1024:.1f} KiB: {statistics.median(taken):.2f} s "
        f"({min(taken):.2f} to {max(taken):.2f}) on {platform.machine()}, {platform.platform()}"
    )


if __name__ == "__main__":
    main()
