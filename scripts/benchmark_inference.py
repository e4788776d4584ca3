"""Measure how long networks and ePIE take to reconstruct the object of a whole scan.

ptycho-simulate data=ltem out=ltem.h5      # 61 x 61 patterns of 32 px
python scripts/benchmark_inference.py ltem.h5 outputs/runs/STUDY/*/best.ckpt --iterations 200 --csv inference.csv
"""

import argparse
import statistics
from pathlib import Path

import hydra
import numpy as np
import torch

from ptycho_bench.config.build import build
from ptycho_bench.config.checkpoint import load_network
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import stream_scan
from ptycho_bench.evaluation.stitch import Stitching
from ptycho_bench.reconstruction.by_network import object_by_network
from ptycho_bench.reconstruction.by_solver import object_by_solver
from ptycho_bench.records.environment import device_description
from ptycho_bench.records.run_folder import append_rows
from ptycho_bench.solvers.pie import PIESolver


def epie(iterations: int) -> PIESolver:
    """Build the solver of conf/solver/epie.yaml, which knows the probe and updates it pattern by pattern."""
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose("reconstruct", overrides=["solver=epie", f"solver.iterations={iterations}", "files=[x]"])
    return build(cfg.solver)


def network_seconds(path: Path, scan: PtychoScan, *, batch_size: int, repeats: int, device: str) -> list[float]:
    """Return the seconds of each repetition after a warm-up; the patterns are in memory, as they are for a solver."""
    network, points = load_network(path, scan.content_hash).to(device), np.arange(len(scan))
    stitching = Stitching(weight="radial", central_px=None, synchronised=False, step_px=None)
    settings = {"batch_size": batch_size, "stitching": stitching}
    return [object_by_network(network, scan, points, **settings).seconds for _ in range(repeats + 1)][1:]


def model_name(path: Path) -> str:
    """Return the name of the model in a checkpoint."""
    description = torch.load(path, map_location="cpu", weights_only=True)["ptycho_bench"]
    return description["choices"]["model"]


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cpu", "cuda"))
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    device, scan = options.device, stream_scan(options.scan)
    points = np.arange(len(scan))
    solved = object_by_solver(epie(options.iterations), scan, points, start=None, cache_mb=4096, device=device)
    seconds_by_name = {"epie": [solved.seconds]}
    settings = {"batch_size": options.batch, "repeats": options.repeats, "device": device}
    for path in options.checkpoints:
        if model_name(path) in seconds_by_name:
            parser.error(f"{path} is a second checkpoint of model {model_name(path)}; pass one checkpoint per model")
        seconds_by_name[model_name(path)] = network_seconds(path, scan, **settings)
    solver_s = seconds_by_name["epie"][0]
    rows = []
    for name, seconds in seconds_by_name.items():
        median_s = statistics.median(seconds)
        row = {"by": name if name != "epie" else f"epie, {options.iterations} iterations", "patterns": len(scan)}
        row |= {"size_px": scan.patch_px, "seconds": median_s, "patterns_per_s": len(scan) / median_s}
        row |= {"times_faster": solver_s / median_s, "low": solver_s / max(seconds), "high": solver_s / min(seconds)}
        row |= device_description(device)
        text = (
            "{by:<24}{seconds:9.3f} s{patterns_per_s:10.1f} pattern/s  x {times_faster:.1f} ({low:.1f} to {high:.1f})"
        )
        print(text.format(**row), flush=True)
        rows.append(row)
    if options.csv:
        append_rows(options.csv, rows)


if __name__ == "__main__":
    main()
