"""Which flip or swap of a scan's positions its patterns fit."""

import numpy as np
import torch

from ptycho_bench.data.sample import PtychoScan
from ptycho_bench.physics.orientation import best, compare_orientations
from ptycho_bench.physics.pie import PIESolver
from ptycho_bench.reconstruction.by_solver import pattern_source, starting_probe

POINTS, ITERATIONS, CACHE_MB = 80, 15, 1024
LOOK = PIESolver(
    rule="epie", object_step=1.0, probe_step=0.3, alpha=None, iterations=ITERATIONS, batch_size=1, modes=1,
    refine_probe=True, probe_start=0, stop_tolerance=None, stop_patience=None, subpixel=False, seed=0,
)  # fmt: skip


def try_orientations(scan: PtychoScan) -> dict[str, float]:
    """Misfit of a short reconstruction from some 80 points under each of the eight orientations, by name.

    A simulated probe is taken as known; any other is brought to the patterns' photons and refined.
    """
    known = scan.info.origin.startswith("simulated")
    everything = np.arange(len(scan))
    patterns = pattern_source(scan, everything, cache_mb=CACHE_MB)
    probe = scan.measurement().probe if known else starting_probe(scan, LOOK, patterns, len(scan))
    return compare_orientations(
        patterns, torch.from_numpy(scan.positions_px), probe[:1], points=min(POINTS, len(scan)), iterations=ITERATIONS,
        seed=0, refine_probe=not known, good=scan.good_pixels(),
    )  # fmt: skip


def best_orientations(misfits: dict[str, float]) -> list[str]:
    """Names of the orientations that fit best; several where the patterns cannot tell them apart."""
    return list(best(misfits))
