"""Conversion of a raw scan to a `PtychoScan`: join by index, convert to pixels and counts, mask bad pixels."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from ptycho_bench.data.check import check_info, check_shapes
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.files import load_array
from ptycho_bench.data.frames import FrameStream, frames_per_block
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.formats.geometry import Geometry, object_pixel_size, refuse_near_field
from ptycho_bench.formats.patterns import PatternOptions, Window, mask_of, prepare_patterns, window_of
from ptycho_bench.formats.positions import Joined, PositionOptions, join, median_step
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.formats.scan_frames import FrameStatistics, frame_warnings, scan_frames
from ptycho_bench.physics.detector import binned_probe, cropped_probe

MIN_PHOTON_RATIO, MAX_PHOTON_RATIO = 0.5, 5.0  # plausible photons of a probe per photon of the mean pattern


def assemble(
    raw: RawScan,
    *,
    geometry: Geometry,
    patterns: PatternOptions,
    positions: PositionOptions,
    scan_frames: Callable[[FrameStream, np.ndarray], FrameStatistics] = scan_frames,
) -> tuple[PtychoScan, list[str]]:
    """Convert a raw scan to a `PtychoScan`. Its frames are read once here, and again when the scan is written.

    Args:
        raw: the scan as a reader returned it.
        geometry: corrections of the geometry.
        patterns: how frames become patterns.
        positions: how positions are joined to frames and oriented.
        scan_frames: computes statistics of the frames, given a bool (H, W) mask of the pixels known to be bad; to use
            only some of the frames is faster but may miss bad pixels.

    Returns:
        The scan, whose patterns are still a stream, and one line for each decision, dropped item and warning.

    Raises:
        DataError: If frames and positions cannot be joined, the geometry is unknown or in the near field, sizes
            contradict each other, or values are impossible.
    """
    notes = list(raw.notes)
    joined = join(raw, positions)
    notes += joined.notes
    frames = raw.frames if joined.kept.all() else raw.frames.keep(joined.kept)
    height, width = frames.shape[1:]
    window = window_of(frames.shape, patterns, patterns.zero_frequency or raw.zero_frequency, raw.source)
    if window.side_px != min(height, width) or height != width:
        notes.append(f"patterns of {height} x {width} px are cut to {window.side_px} px")
    geometry = geometry.filled_from(raw)
    zoom = height / window.side_px  # a crop makes the object's pixels larger
    full_pixel_m = object_pixel_size(raw, geometry, height, joined.metric, notes)
    pixel_m = None if full_pixel_m is None else full_pixel_m * zoom
    unit_px = 1 / zoom if not joined.metric else 1 / (zoom * full_pixel_m)
    centres_px = joined.positions * unit_px
    side = window.side_px // window.bin
    known_bad = known_bad_pixels(raw, patterns, (height, width))
    statistics = scan_frames(frames, known_bad)
    bad = known_bad | statistics.bad_pixels(patterns.bad_share)
    notes += frame_warnings(raw.source, statistics, bad)
    quantity = patterns.quantity or raw.quantity
    diffraction = prepare_patterns(frames, bad, window, quantity=quantity, background=patterns.background)
    probe = probe_for_patterns(raw, window, statistics.totals.mean(), notes)
    step = median_step(centres_px)
    refuse_near_field(raw, geometry, probe, side, step, pixel_m)
    as_stored = zoom == 1 and positions.orientation == "as_is"
    middle_px = np.array(raw.obj_centre) * unit_px if as_stored and raw.obj_centre is not None else None
    obj, corners_px = place_object(raw, middle_px, centres_px, side, notes)
    amplitude, phase = patch_labels(raw, joined, obj, corners_px, side, notes)
    scan = PtychoScan(
        diffraction=diffraction,
        amplitude=amplitude,
        phase=phase,
        positions_px=corners_px,
        scan_index=joined.scan_index,
        probe=probe,
        obj=obj,
        mask=mask_of(bad, window),
        info=scan_info(raw, geometry, probe, step, pixel_m, window.bin),
    )
    check_info(scan.info, raw.source)
    check_shapes(scan, raw.source)
    return scan, notes


def known_bad_pixels(raw: RawScan, patterns: PatternOptions, shape: tuple[int, int]) -> np.ndarray:
    """Return bool (H, W), True for pixels that the file's mask or the user's mask marks as bad.

    Raises:
        DataError: If a mask has another shape than the frames.
    """
    bad = np.zeros(shape, bool)
    masks = {raw.source: raw.mask}
    if patterns.mask_path is not None:
        image = np.squeeze(load_array(patterns.mask_path, key=patterns.mask_key))
        masks[patterns.mask_path] = image != patterns.mask_good
    for name, mask in masks.items():
        if mask is None:
            continue
        if mask.shape != shape:
            raise DataError(f"{name}: the mask has shape {mask.shape}, frames have {shape}; crop it to the detector")
        bad |= mask
    return bad


def probe_for_patterns(raw: RawScan, window: Window, mean_photons: float, notes: list[str]) -> np.ndarray | None:
    """Return the file's probe, complex64 (modes, side, side), on the grid of the cropped and binned patterns.

    The result is None if the file has no probe, or its size differs from the frames'.
    """
    if raw.probe is None:
        return None
    if raw.probe.shape[-2:] != raw.frames.shape[1:]:
        notes.append(f"the file's probe of {raw.probe.shape[-2:]} px does not fit its patterns and is ignored")
        return None
    probe = torch.from_numpy(np.ascontiguousarray(raw.probe, np.complex64))
    probe = binned_probe(cropped_probe(probe, window.top, window.left, window.side_px), window.bin)
    photons = probe.abs().square().sum().item()
    if not MAX_PHOTON_RATIO > photons / mean_photons > MIN_PHOTON_RATIO:
        notes.append(
            f"the file's probe contains {photons:.3g} photons, but a mean pattern {mean_photons:.3g}: only solvers "
            "that refine the probe correct its scale; solvers with a fixed probe and losses on patterns do not"
        )
    return probe.contiguous().numpy()


def place_object(
    raw: RawScan, middle_px: np.ndarray | None, centres_px: np.ndarray, side: int, notes: list[str]
) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the file's object, complex64 (rows, columns), and the patches' top-left positions in it, float64 (N, 2).

    The object is None if the file has none or its place is unknown; the field then begins at the first patch.

    Args:
        raw: the scan.
        middle_px: (row, column) of the object's middle, in the coordinates of `centres_px`; None if unknown.
        centres_px: float64 (N, 2), (row, column) of the patches' middles.
        side: side of a patch in pixels.
        notes: extended by a line if the object cannot be used.
    """
    corners = centres_px - side / 2
    if raw.obj is None or middle_px is None:
        if raw.obj is not None:
            notes.append(
                "the file's object is ignored, because patterns were cropped, positions were reoriented, or its place "
                "is unknown"
            )
        return None, corners - corners.min(axis=0)
    obj = np.ascontiguousarray(raw.obj, np.complex64)
    corners = corners - middle_px + np.array(obj.shape) / 2
    whole = np.floor(corners + 0.5)
    if (whole < 0).any() or (whole > np.array(obj.shape) - side).any():
        notes.append("the file's object is ignored, because some positions lie outside it")
        return None, corners - corners.min(axis=0)
    return obj, corners


def patch_labels(
    raw: RawScan, joined: Joined, obj: np.ndarray | None, corners: np.ndarray, side: int, notes: list[str]
) -> tuple[FrameStream | None, FrameStream | None]:
    """Return amplitude and phase of each patch: from the file, else cut from its object, else None."""
    if raw.amplitude is not None and raw.phase is not None:
        if raw.amplitude.shape[1:] != (side, side):
            notes.append(
                f"the file's amplitude and phase of {raw.amplitude.shape[1:]} px do not fit patterns of {side} px and "
                "are ignored"
            )
            return None, None
        return tuple(
            (stream if joined.kept.all() else stream.keep(joined.kept)).map(lambda block: block.astype(np.float32))
            for stream in (raw.amplitude, raw.phase)
        )
    if obj is None:
        return None, None
    return patches_of(obj, corners, side, np.abs), patches_of(obj, corners, side, np.angle)


def patches_of(
    obj: np.ndarray, corners: np.ndarray, side: int, part: Callable[[np.ndarray], np.ndarray]
) -> FrameStream:
    """Return a real part of the object under each point, float32 (N, side, side), as a stream.

    Args:
        obj: complex (rows, columns).
        corners: float64 (N, 2), top-left (row, column) of each patch, pixels.
        side: side of a patch in pixels.
        part: function that makes complex patches real, for example np.abs or np.angle.
    """
    windows = np.lib.stride_tricks.sliding_window_view(obj, (side, side))
    places = np.floor(corners + 0.5).astype(int)  # rounds as physics.scan.whole_px does
    shape, dtype = (len(corners), side, side), np.dtype(np.float32)
    step = frames_per_block(shape, dtype)

    def blocks() -> Iterator[np.ndarray]:
        for first in range(0, len(places), step):
            rows, columns = places[first : first + step].T
            yield part(windows[rows, columns]).astype(dtype)

    return FrameStream(shape, dtype, blocks)


def scan_info(
    raw: RawScan, geometry: Geometry, probe: np.ndarray | None, step_px: float | None, pixel_m: float | None, bin: int
) -> ScanInfo:
    """Return what is known about the assembled scan besides its arrays."""
    detector_pixel_m = geometry.detector_pixel_m
    return ScanInfo(
        origin=f"{raw.origin} from {raw.format}",
        photons=None if probe is None else float(np.square(np.abs(probe)).sum()),
        step_px=step_px,
        pixel_size_m=pixel_m,
        energy_ev=geometry.energy_ev,
        distance_m=geometry.distance_m,
        detector_pixel_m=None if detector_pixel_m is None else detector_pixel_m * bin,
    )
