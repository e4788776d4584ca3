"""Which flip or swap of a scan's positions its patterns fit."""

import numpy as np
import torch

from ptycho_bench.data.frames import blocks_of
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.physics.probe import scale_to_photons
from ptycho_bench.reconstruction.by_solver import probe_from_patterns
from ptycho_bench.solvers.orientation_search import best, compare_orientations, middle_points
from ptycho_bench.solvers.patterns import mean_photons

POINTS, ITERATIONS = 80, 15


def try_orientations(scan: PtychoScan) -> dict[str, float]:
    """Misfit of a short reconstruction from some 80 points under each of the eight orientations, by name.

    Only the patterns of these points are kept; the file is read once. A simulated probe is taken as known; any other
    is brought to the patterns' photons and refined.
    """
    positions, valid_mask = torch.from_numpy(scan.positions_px), scan.valid_pixels()
    chosen = middle_points(positions, POINTS)
    photons = torch.from_numpy(frames_of(scan, chosen.numpy()).astype(np.float32))
    known = scan.info.origin.startswith("simulated")
    if known:
        probe = scan.measurement().probe
    elif scan.probe is None:
        probe = probe_from_patterns(photons.__getitem__, len(photons), valid_mask)
    else:
        mean = mean_photons(photons.__getitem__, len(photons), batch_size=64, valid_mask=valid_mask)
        probe = scale_to_photons(torch.from_numpy(scan.probe[:1]), mean)
    return compare_orientations(
        photons.__getitem__, positions[chosen], probe, points=len(chosen), iterations=ITERATIONS, seed=0,
        refine_probe=not known, valid_mask=valid_mask,
    )  # fmt: skip


def frames_of(scan: PtychoScan, points: np.ndarray) -> np.ndarray:
    """Patterns (n, H, W) of ascending points, from one pass where they come as a stream."""
    if hasattr(scan.diffraction, "__getitem__"):
        return scan.diffraction[points]
    kept = np.zeros(len(scan), bool)
    kept[points] = True
    return np.concatenate(list(blocks_of(scan.diffraction.keep(kept))))


def best_orientations(misfits: dict[str, float]) -> list[str]:
    """Names of the orientations that fit best; several where the patterns cannot tell them apart."""
    return list(best(misfits))
