"""Description of a scan in lines to read: its properties, and what is missing for training and reconstruction."""

from dataclasses import dataclass

import numpy as np
import torch

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.formats.positions import median_step
from ptycho_bench.formats.scan_frames import FrameStatistics
from ptycho_bench.physics.probe import probe_diameter


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Overlap of neighbouring patches.

    Args:
        step_px: median distance of a point from its nearest neighbour; None if there is only one point.
        width_px: diameter of the disc that has the probe's second moment; the side of a patch if the probe is unknown.
        ratio: 1 - step_px / width_px, at least 0; None if the step is unknown.
    """

    step_px: float | None
    width_px: float
    ratio: float | None


def overlap_of(scan: PtychoScan) -> Overlap:
    """Return the step and the linear overlap of a scan."""
    step = median_step(scan.positions_px)
    width = float(scan.patch_px) if scan.probe is None else probe_diameter(torch.from_numpy(scan.probe))
    return Overlap(step_px=step, width_px=width, ratio=None if step is None else max(0.0, 1 - step / width))


def describe_scan(scan: PtychoScan, statistics: FrameStatistics) -> list[str]:
    """Describe geometry, positions and patterns of a scan, one line each.

    Args:
        scan: the scan.
        statistics: statistics of all or the first of its patterns.
    """
    info, overlap = scan.info, overlap_of(scan)
    known = {
        "beam energy": (info.energy_ev, 1e-3, "keV"),
        "distance": (info.distance_m, 1.0, "m"),
        "detector pixel": (info.detector_pixel_m, 1e6, "um"),
        "object pixel": (info.pixel_size_m, 1e9, "nm"),
    }
    lines = [f"origin: {info.origin}"]
    lines += [
        f"{name}: " + ("unknown" if value is None else f"{value * factor:.6g} {unit}")
        for name, (value, factor, unit) in known.items()
    ]
    lines.append(f"patterns: {len(scan)} of {scan.patch_px} x {scan.patch_px} px, {scan.diffraction.dtype}")
    lines.append(f"field: {field_size(scan)}")
    if overlap.ratio is not None:
        width = "the probe's diameter" if scan.probe is not None else "the patch's side, because the probe is unknown"
        lines.append(
            f"step: {overlap.step_px:.3g} px, linear overlap {overlap.ratio:.0%} of {overlap.width_px:.3g} px ({width})"
        )
    totals = statistics.totals
    which = "" if len(totals) >= len(scan) else f" of the first {len(totals)}"
    lines.append(
        f"photons per pattern{which}: mean {totals.mean():.4g}, least {totals.min():.4g}, most {totals.max():.4g}; "
        f"brightest pixel {statistics.largest:.6g}, reached by {statistics.count_at_largest} values"
    )
    masked = 0 if scan.mask is None else int((scan.mask > 0).sum())
    lines.append(f"masked pixels: {masked} of {scan.patch_px**2}")
    return lines


def field_size(scan: PtychoScan) -> str:
    """Return height and width of the scanned field in pixels and, if the pixel size is known, in micrometres."""
    extent, pixel_m = np.ptp(scan.positions_px, axis=0) + scan.patch_px, scan.info.pixel_size_m
    text = f"{extent[0]:.0f} x {extent[1]:.0f} px"
    if pixel_m is not None:
        text += f" = {extent[0] * pixel_m * 1e6:.3g} x {extent[1] * pixel_m * 1e6:.3g} um"
    return text


def what_is_missing(scan: PtychoScan) -> list[str]:
    """Return one line for each thing that is missing for training or reconstruction."""
    lines = []
    if scan.amplitude is None:
        lines.append(
            "for training: amplitude and phase; compute them with ptycho-reconstruct FILE solver=rpie triplets=true"
        )
    if scan.probe is None:
        lines.append(
            "for reconstruction: a probe; solver=rpie starts from the square root of the mean pattern, but "
            "probe_path=FILE is better"
        )
    if scan.info.pixel_size_m is None:
        lines.append("for a scale in nanometres: geometry.pixel_size_m, or energy, distance and detector pixel")
    overlap = overlap_of(scan)
    if overlap.ratio is not None and overlap.ratio < 0.5:
        lines.append(f"overlap: {overlap.ratio:.0%}; solvers need 60 % or more")
    return lines
