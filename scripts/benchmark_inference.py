"""Seconds from a whole scan to its object, by networks and by ePIE, on the machine at hand.

ptycho-simulate data=ltem out=ltem.h5      # 61 x 61 patterns of 32 px
python scripts/benchmark_inference.py ltem.h5 outputs/runs/STUDY/*/best.ckpt --iterations 200 --csv inference.csv
"""

import argparse
import statistics
from pathlib import Path

import hydra
import numpy as np
import torch

from ptycho_bench.cli.evaluate import device_named
from ptycho_bench.config.build import build, load_network
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import open_scan
from ptycho_bench.evaluation.stitch import radial_weight
from ptycho_bench.reconstruction.by_network import object_by_network
from ptycho_bench.reconstruction.by_solver import object_by_solver
from ptycho_bench.records.environment import machine
from ptycho_bench.records.run_folder import append_rows
from ptycho_bench.solvers.pie import PIESolver


def epie(iterations: int) -> PIESolver:
    """conf/solver/epie.yaml: known probe, pattern by pattern."""
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        cfg = hydra.compose("reconstruct", overrides=["solver=epie", f"solver.iterations={iterations}", "files=[x]"])
    return build(cfg.solver)


def network_seconds(path: Path, scan: PtychoScan, *, batch_size: int, repeats: int, device: str) -> list[float]:
    """Of each repetition, after one that does not count; patterns are in memory, as a solver's are."""
    network, points = load_network(path, scan.content_hash).to(device), np.arange(len(scan))
    settings = {"batch_size": batch_size, "weight": radial_weight(scan.patch_px)}
    return [object_by_network(network, scan, points, **settings).seconds for _ in range(repeats + 1)][1:]


def named(path: Path) -> str:
    """Model of a checkpoint."""
    description = torch.load(path, map_location="cpu", weights_only=True)["ptycho_bench"]
    return description["choices"]["model"]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    device, scan = device_named(options.device), open_scan(options.scan)
    points = np.arange(len(scan))
    solved = object_by_solver(epie(options.iterations), scan, points, start=None, cache_mb=4096, device=device)
    found = {"epie": [solved.seconds]}
    settings = {"batch_size": options.batch, "repeats": options.repeats, "device": device}
    for path in options.checkpoints:
        if named(path) in found:
            parser.error(f"{path} is a second network of model {named(path)}; name one of each")
        found[named(path)] = network_seconds(path, scan, **settings)
    solver_s = found["epie"][0]
    rows = []
    for name, seconds in found.items():
        middle = statistics.median(seconds)
        row = {"by": name if name != "epie" else f"epie, {options.iterations} iterations", "patterns": len(scan)}
        row |= {"size_px": scan.patch_px, "seconds": middle, "patterns_per_s": len(scan) / middle}
        row |= {"times_faster": solver_s / middle, "low": solver_s / max(seconds), "high": solver_s / min(seconds)}
        row |= machine(device)
        text = (
            "{by:<24}{seconds:9.3f} s{patterns_per_s:10.1f} pattern/s  x {times_faster:.1f} ({low:.1f} to {high:.1f})"
        )
        print(text.format(**row), flush=True)
        rows.append(row)
    if options.csv:
        append_rows(options.csv, rows)


if __name__ == "__main__":
    main()
