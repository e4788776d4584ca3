"""Scans that have positions but blank patches, for tests of splits."""

import numpy as np
from torch import Generator

from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.physics.scan import raster_scan


def scan_at(positions_px, scan_index, patch_px):
    """Return a scan with patches of this side at these positions."""
    blank = np.zeros((len(positions_px), patch_px, patch_px), np.float32)
    return PtychoScan(
        diffraction=blank,
        amplitude=blank,
        phase=blank,
        positions_px=np.asarray(positions_px, np.float64),
        scan_index=np.asarray(scan_index),
        probe=blank[:1].astype(np.complex64),
        info=ScanInfo(origin="test"),
    )


def raster(object_px=512, probe_px=32, step_px=8, jitter_px=3, seed=0):
    """Return a raster scan, by default with the positions of data=ltem."""
    positions, index, _ = raster_scan(
        (object_px, object_px),
        probe_px,
        overlap_ratio=None,
        step_px=step_px,
        jitter_px=jitter_px,
        generator=Generator().manual_seed(seed),
    )
    return scan_at(positions.numpy(), index.numpy(), probe_px)


def spiral(count=900, patch_px=24, seed=0):
    """Return a scan on a Fermat spiral, at fractional positions, all in one scan row and in random order."""
    rng = np.random.default_rng(seed)
    turn = rng.permutation(count)
    angle = turn * np.pi * (3 - 5**0.5)
    positions = 6 * np.sqrt(turn)[:, None] * np.stack((np.sin(angle), np.cos(angle)), axis=1)
    index = np.stack((np.zeros(count, int), np.arange(count)), axis=1)
    return scan_at(positions - positions.min(axis=0), index, patch_px)


def touched(scan, points):
    """Return which object pixels the patches of these points cover, at least partly; one patch after the other."""
    mask = np.zeros(np.ceil(scan.positions_px.max(axis=0)).astype(int) + scan.patch_px, bool)
    first, last = np.floor(scan.positions_px).astype(int), np.ceil(scan.positions_px).astype(int)
    for (top, left), (bottom, right) in zip(first[points], last[points], strict=True):
        mask[top : bottom + scan.patch_px, left : right + scan.patch_px] = True
    return mask
