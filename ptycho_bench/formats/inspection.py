"""What a scan is and what it lacks, in lines to read."""

from dataclasses import dataclass

import numpy as np
import torch

from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.formats.positions import nearest_step
from ptycho_bench.formats.scan_frames import Survey
from ptycho_bench.physics.probe import probe_diameter


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How far neighbours share the specimen.

    Args:
        step_px: median distance of a point from its nearest neighbour; None of a single point.
        width_px: side of a patch, or where the probe is known its diameter: that of a disc with its second moment.
        ratio: 1 - step / width; None where the step is not known.
    """

    step_px: float | None
    width_px: float
    ratio: float | None


def overlap_of(scan: PtychoScan) -> Overlap:
    """Step and linear overlap of a scan."""
    step = nearest_step(scan.positions_px)
    width = float(scan.patch_px) if scan.probe is None else probe_diameter(torch.from_numpy(scan.probe))
    return Overlap(step_px=step, width_px=width, ratio=None if step is None else max(0.0, 1 - step / width))


def describe_scan(scan: PtychoScan, seen: Survey) -> list[str]:
    """Geometry, positions and patterns of a scan, a line each.

    Args:
        scan: the scan.
        seen: a look at its patterns, all or the first.
    """
    info, count = scan.info, len(scan)
    lines = [f"origin: {info.origin}"]
    known = {
        "beam energy": (info.energy_ev, 1e-3, "keV"),
        "distance": (info.distance_m, 1.0, "m"),
        "detector pixel": (info.detector_pixel_m, 1e6, "um"),
        "object pixel": (info.pixel_size_m, 1e9, "nm"),
    }
    lines += [
        f"{name}: " + ("not known" if value is None else f"{value * factor:.6g} {unit}")
        for name, (value, factor, unit) in known.items()
    ]
    extent = np.ptp(scan.positions_px, axis=0) + scan.patch_px
    overlap = overlap_of(scan)
    field = f"{extent[0]:.0f} x {extent[1]:.0f} px"
    if info.pixel_size_m is not None:
        field += f" = {extent[0] * info.pixel_size_m * 1e6:.3g} x {extent[1] * info.pixel_size_m * 1e6:.3g} um"
    lines.append(f"patterns: {count} of {scan.patch_px} x {scan.patch_px} px, {scan.diffraction.dtype}")
    lines.append(f"field: {field}")
    if overlap.ratio is not None:
        width = "probe's diameter" if scan.probe is not None else "patch's side; the probe is not known"
        lines.append(
            f"step: {overlap.step_px:.3g} px, linear overlap {overlap.ratio:.0%} of {overlap.width_px:.3g} px ({width})"
        )
    which = "" if len(seen.totals) >= count else f" of the first {len(seen.totals)}"
    lines.append(
        f"photons per pattern{which}: mean {seen.totals.mean():.4g}, least {seen.totals.min():.4g}, most "
        f"{seen.totals.max():.4g}; brightest pixel {seen.largest:.6g}, reached by {seen.at_largest} values"
    )
    masked = 0 if scan.mask is None else int((scan.mask > 0).sum())
    lines.append(f"masked pixels: {masked} of {scan.patch_px**2}")
    return lines


def what_is_missing(scan: PtychoScan) -> list[str]:
    """What the scan lacks for training and for reconstruction, a line each."""
    lines = []
    if scan.amplitude is None:
        lines.append("for training: amplitude and phase; ptycho-reconstruct FILE solver=rpie triplets=true makes them")
    if scan.probe is None:
        lines.append(
            "for reconstruction: a probe; solver=rpie starts from the mean pattern's root, better is probe_path=FILE"
        )
    if scan.info.pixel_size_m is None:
        lines.append("for a scale in nanometres: geometry.pixel_size_m, or energy, distance and detector pixel")
    overlap = overlap_of(scan)
    if overlap.ratio is not None and overlap.ratio < 0.5:
        lines.append(f"overlap: {overlap.ratio:.0%}; solvers want 60 % and more")
    return lines
