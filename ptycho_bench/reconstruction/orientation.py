"""Find which orientation of a scan's positions fits its patterns."""

import numpy as np
import torch

from ptycho_bench.data.frames import blocks_of
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.physics.probe import scale_to_photons
from ptycho_bench.reconstruction.by_solver import probe_from_patterns
from ptycho_bench.solvers.orientation_search import central_points, compare_orientations
from ptycho_bench.solvers.patterns import mean_photons

POINTS, ITERATIONS = 80, 15


def try_orientations(scan: PtychoScan) -> dict[str, float]:
    """Return the misfit of a short reconstruction for each of the eight orientations, by name.

    It uses the points nearest to the centre of the field, at most `POINTS`. Only their patterns are kept in memory, and
    the file is read once. A simulated probe is taken as known; any other is scaled to the photons of the mean pattern
    and refined.
    """
    positions, valid_mask = torch.from_numpy(scan.positions_px), scan.valid_pixels()
    chosen = central_points(positions, POINTS)
    photons = torch.from_numpy(read_frames(scan, chosen.numpy()).astype(np.float32))
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


def read_frames(scan: PtychoScan, points: np.ndarray) -> np.ndarray:
    """Read the patterns (n, H, W) of ascending points, in one pass if they are a stream."""
    if hasattr(scan.diffraction, "__getitem__"):
        return scan.diffraction[points]
    kept = np.zeros(len(scan), bool)
    kept[points] = True
    return np.concatenate(list(blocks_of(scan.diffraction.keep(kept))))
