"""Make a training set from a reconstructed scan: amplitude and phase of every patch are cut from the object."""

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import torch

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream, blocks_of, select_frames
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.formats.assemble import patches_of
from ptycho_bench.formats.patterns import Window, mask_of
from ptycho_bench.physics.bounds import Depth, Index
from ptycho_bench.physics.detector import binned_probe
from ptycho_bench.reconstruction.by_solver import object_by_solver
from ptycho_bench.reconstruction.result import Reconstruction, patch_corners
from ptycho_bench.solvers.pie import PIESolver


def training_set(
    scan: PtychoScan, points: np.ndarray, result: Reconstruction, *, bin_px: int, trim_px: int, solved_by: str
) -> PtychoScan:
    """Return a scan with amplitude and phase cut from a reconstructed object, and with the reconstructed probe.

    Args:
        scan: the measured scan.
        points: int (n,), indices of the scan points that were reconstructed.
        result: the reconstruction.
        bin_px: side of the squares of detector pixels that are summed; patches are cropped to their centre by the same
            factor.
        trim_px: smallest distance of a patch from the edge of the field, where few patches overlap; points with a
            smaller one are left out.
        solved_by: name of the solver or network, for the record.

    Raises:
        DataError: If bin_px does not divide the side of the patterns or no point is left.
    """
    check_bin(scan.patch_px, bin_px)
    side = scan.patch_px // bin_px
    margin = (scan.patch_px - side) // 2
    corners = patch_corners(scan, points).numpy() + margin
    last = np.array(result.obj.shape) - side - trim_px
    kept = ((corners >= trim_px) & (corners <= last)).all(axis=1)
    if not kept.any():
        raise DataError(f"no patch lies {trim_px} px inside the field of {tuple(result.obj.shape)} px; lower trim_px")
    points, corners, obj = points[kept], corners[kept], result.obj.numpy()
    probe = scan.probe if result.probe is None else result.probe.numpy()
    if probe is not None:
        probe = binned_probe(torch.from_numpy(probe), bin_px).contiguous().numpy()
    window = Window(top=0, left=0, side_px=scan.patch_px, centred=True, bin=bin_px)
    info = dataclasses.replace(
        scan.info,
        origin=f"solved by {solved_by}, {scan.info.origin}",
        noise=scan.info.noise if result.probe is None else without_efficiency(scan.info.noise),
        photons=None if probe is None else float(np.square(np.abs(probe)).sum()),
        detector_pixel_m=None if scan.info.detector_pixel_m is None else scan.info.detector_pixel_m * bin_px,
    )
    return dataclasses.replace(
        scan,
        diffraction=bin_frames(select_frames(scan.diffraction, points), window),
        positions_px=corners,
        scan_index=scan.scan_index[points],
        amplitude=patches_of(obj, corners, side, np.abs),
        phase=patches_of(obj, corners, side, np.angle),
        probe=probe,
        obj=obj,
        mask=None if scan.mask is None else mask_of(scan.mask > 0, window),
        info=info,
    )


def check_bin(side_px: int, bin_px: int) -> None:
    """Raise DataError if squares of bin_px do not tile patterns of side_px."""
    if bin_px < 1 or side_px % bin_px:
        raise DataError(f"a bin of {bin_px} px does not divide patterns of {side_px} px; use a power of two")


def bin_frames(frames: FrameStream, window: Window) -> FrameStream:
    """Sum squares of detector pixels; returns the same frames if the window does not bin."""
    if window.bin == 1:
        return frames
    kind = np.uint32 if frames.dtype.kind == "u" else np.float32
    return frames.map(lambda block: window.squares(block).sum(axis=(-3, -1), dtype=np.float64).astype(kind))


def without_efficiency(noise: str) -> str:
    """Remove the efficiency from a scan's noise, JSON, because a reconstructed probe already contains it."""
    return json.dumps({name: value for name, value in json.loads(noise).items() if name != "efficiency"})


def solved_scan(*, scan: Callable[[], PtychoScan], solver: PIESolver, bin_px: Depth, trim_px: Index) -> PtychoScan:
    """Reconstruct a measured scan and return it as a training set; its origin names the solver.

    Args:
        scan: returns the measured scan.
        solver: the solver, which runs on the CPU.
        bin_px: side of the squares of detector pixels that are summed, see `training_set`.
        trim_px: smallest distance of a patch from the edge of the field, px, see `training_set`.
    """
    measured = scan()
    measured = dataclasses.replace(measured, diffraction=np.concatenate(list(blocks_of(measured.diffraction))))
    points = np.arange(len(measured))
    result = object_by_solver(solver, measured, points, start=None, cache_mb=np.inf, device="cpu")
    solved_by = (
        f"{solver.rule}, {solver.modes} modes, {len(result.misfits)} iterations to misfit {result.misfits[-1]:.3f}"
    )
    return training_set(measured, points, result, bin_px=bin_px, trim_px=trim_px, solved_by=solved_by)
