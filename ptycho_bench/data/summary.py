"""What commands print and record about a scan."""

import dataclasses

import numpy as np

from ptycho_bench.data.frames import blocks_of
from ptycho_bench.data.scan import PtychoScan


def scan_summary(scan: PtychoScan) -> str:
    """Return one line about a scan: patterns, step or overlap, counts, hash."""
    info = scan.info
    raster = "" if info.step_px is None else f"step {info.step_px:.3g} px, "
    if info.overlap_ratio is not None:
        raster = f"overlap {info.overlap_ratio:.0%}, jitter {info.jitter_px} px, "
    return (
        f"{len(scan)} patterns of {scan.patch_px} x {scan.patch_px} px, {raster}{mean_counts(scan):.0f} counts per "
        f"pattern, hash {scan.content_hash[:10]}"
    )


def mean_counts(scan: PtychoScan) -> float:
    """Return the mean over all patterns of the sum of their counts."""
    return sum(float(block.sum(dtype=np.float64)) for block in blocks_of(scan.diffraction)) / len(scan)


def scan_record(name: str, scan: PtychoScan) -> dict:
    """Return what results.json contains about a scan."""
    return {
        "name": name,
        "content_hash": scan.content_hash,
        "patterns": len(scan),
        "pattern_px": scan.patch_px,
        **dataclasses.asdict(scan.info),
    }
