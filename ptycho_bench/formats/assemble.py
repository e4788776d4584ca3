"""A raw scan in this project's frame: joined by index, in pixels and counts, bad pixels masked, its doubts said."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.files import load_array
from ptycho_bench.data.frames import FrameStream, frames_per_block
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.formats.geometry import Geometry, object_pixel, refuse_near_field
from ptycho_bench.formats.patterns import PatternOptions, Window, mask_of, prepared, window_of
from ptycho_bench.formats.positions import Joined, PositionOptions, join, nearest_step
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.formats.scan_frames import Survey, survey
from ptycho_bench.physics.detector import binned_probe, cropped_probe

MOST_PHOTONS, LEAST_SHARE = 5.0, 2.0  # a probe's photons by a mean pattern's: an absorbing object, a doubtful scale


def assemble(
    raw: RawScan,
    *,
    geometry: Geometry,
    patterns: PatternOptions,
    positions: PositionOptions,
    look: Callable[[FrameStream, np.ndarray], Survey] = survey,
) -> tuple[PtychoScan, list[str]]:
    """Bring a raw scan into this project's frame. Frames are looked at once here, and again when the scan is written.

    Args:
        raw: what a reader gave.
        geometry: see there, as the next two.
        patterns: likewise.
        positions: likewise.
        look: takes the frames and their bad pixels as far as known; `survey` of some frames is quicker, and may miss
            some.

    Returns:
        The scan, its patterns still a stream; and one line for each thing that was decided, dropped or is in doubt.

    Raises:
        DataError: frames and positions that cannot be joined, a geometry that is not known or in the near field, or
            numbers that do not fit together.
    """
    notes = list(raw.notes)
    joined = join(raw, positions)
    notes += joined.notes
    frames = raw.frames if joined.kept.all() else raw.frames.keep(joined.kept)
    window = window_of(frames.shape, patterns, patterns.zero_frequency or raw.zero_frequency, raw.source)
    if window.side_px != min(frames.shape[1:]) or frames.shape[1] != frames.shape[2]:
        notes.append(f"patterns of {frames.shape[1]} x {frames.shape[2]} px are cut to {window.side_px} px")
    geometry = geometry.completed(raw)
    zoom = frames.shape[1] / window.side_px  # a narrower detector sees larger object pixels
    pixel_m = object_pixel(raw, geometry, frames.shape[1], joined.metric, notes)
    unit_px = 1 / zoom if not joined.metric else 1 / (zoom * pixel_m)
    places_px = joined.places * unit_px
    side = window.side_px // window.bin
    known_bad = given_mask(raw, patterns, frames.shape[1:])
    seen = look(frames, known_bad)
    bad = known_bad | seen.bad(patterns.bad_share)
    notes += doubts(raw.source, seen, bad)
    diffraction = prepared(
        frames, bad, window, quantity=patterns.quantity or raw.quantity, background=patterns.background
    )
    probe = fitted_probe(raw, window, seen.totals.mean(), notes)
    step = nearest_step(places_px)
    refuse_near_field(raw, geometry, probe, side, step, None if pixel_m is None else pixel_m * zoom)
    untouched = zoom == 1 and positions.orientation == "as_is"
    middle_px = np.array(raw.obj_centre) * unit_px if untouched and raw.obj_centre is not None else None
    obj, corner_px = placed_object(raw, middle_px, places_px, side, notes)
    amplitude, phase = labels(raw, joined, obj, corner_px, side, notes)
    scan = PtychoScan(
        diffraction=diffraction,
        amplitude=amplitude,
        phase=phase,
        positions_px=corner_px,
        scan_index=joined.scan_index,
        probe=probe,
        obj=obj,
        mask=mask_of(bad, window),
        info=ScanInfo(
            origin=f"{raw.origin} from {raw.format}",
            photons=None if probe is None else float(np.square(np.abs(probe)).sum()),
            step_px=step,
            pixel_size_m=None if pixel_m is None else pixel_m * zoom,
            energy_ev=geometry.energy_ev,
            distance_m=geometry.distance_m,
            detector_pixel_m=None if geometry.detector_pixel_m is None else geometry.detector_pixel_m * window.bin,
        ),
    )
    return scan, notes


def given_mask(raw: RawScan, patterns: PatternOptions, shape: tuple[int, int]) -> np.ndarray:
    """Bool (H, W), True = bad, of the file's mask and the user's.

    Raises:
        DataError: a mask of another shape than the frames.
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
            raise DataError(f"{name}: the mask has shape {mask.shape}, frames are {shape}; crop it to the detector")
        bad |= mask
    return bad


def doubts(source: str, seen: Survey, bad: np.ndarray) -> list[str]:
    """What is to be said of the frames' values.

    Raises:
        DataError: nothing but bad pixels, or no photon at all.
    """
    if bad.all():
        raise DataError(f"{source}: every pixel is masked or bad; mend the mask, patterns.mask_good or bad_share")
    if seen.largest == 0:
        raise DataError(f"{source}: every frame is zero where it is not masked; was the shutter closed?")
    looked_at, notes = len(seen.totals), []
    if bad.any():
        notes.append(f"{int(bad.sum())} of {bad.size} pixels are masked ({seen.unmeasured} values not measured)")
    elsewhere = int(seen.times_bad[~bad].sum())
    if elsewhere:
        notes.append(f"{elsewhere} values of pixels that are mostly good were not measured; they become 0")
    if seen.negative:
        notes.append(f"{seen.negative} values are negative, the lowest {seen.lowest:.3g}; they become 0")
    dark = int((seen.totals == 0).sum())
    if dark:
        notes.append(f"{dark} of {looked_at} frames are empty")
    if seen.at_largest > looked_at // 10 + 1 and seen.largest > 1:
        notes.append(f"{seen.at_largest} values stand at the largest, {seen.largest:g}: is the detector saturated?")
    if seen.fractions and seen.largest < 1:
        notes.append(f"values end at {seen.largest:.3g}: these are no photons; networks and solvers take them as such")
    return notes


def fitted_probe(raw: RawScan, window: Window, mean_photons: float, notes: list[str]) -> np.ndarray | None:
    """The file's probe, complex64 (modes, side, side), on the grid of the cut and binned patterns."""
    if raw.probe is None:
        return None
    if raw.probe.shape[-2:] != raw.frames.shape[1:]:
        notes.append(f"the file's probe of {raw.probe.shape[-2:]} px does not fit its patterns and is left out")
        return None
    probe = torch.from_numpy(np.ascontiguousarray(raw.probe, np.complex64))
    probe = binned_probe(cropped_probe(probe, window.top, window.left, window.side_px), window.bin)
    photons = probe.abs().square().sum().item()
    if not MOST_PHOTONS > photons / mean_photons > 1 / LEAST_SHARE:
        notes.append(
            f"the file's probe holds {photons:.3g} photons, a mean pattern {mean_photons:.3g}: a solver that refines "
            "it scales it, one that takes it as known, and losses that predict patterns, do not"
        )
    return probe.contiguous().numpy()


def placed_object(
    raw: RawScan, middle_px: np.ndarray | None, places_px: np.ndarray, side: int, notes: list[str]
) -> tuple[np.ndarray | None, np.ndarray]:
    """The file's object, complex64, where it can be laid under the positions; and the patches' top-left positions.

    Without an object the field begins at the first patch.
    """
    corners = places_px - side / 2
    if raw.obj is None or middle_px is None:
        if raw.obj is not None:
            notes.append("the file's object is left out: patterns were cut, positions turned, or its place not known")
        return None, corners - corners.min(axis=0)
    obj = np.ascontiguousarray(raw.obj, np.complex64)
    corners = corners - middle_px + np.array(obj.shape) / 2
    whole = np.floor(corners + 0.5)
    if (whole < 0).any() or (whole > np.array(obj.shape) - side).any():
        notes.append("the file's object is left out: some positions lie outside it")
        return None, corners - corners.min(axis=0)
    return obj, corners


def labels(
    raw: RawScan, joined: Joined, obj: np.ndarray | None, corners: np.ndarray, side: int, notes: list[str]
) -> tuple[FrameStream | None, FrameStream | None]:
    """Amplitude and phase of each patch: the file's own, else cut from its object; else None."""
    if raw.amplitude is not None and raw.phase is not None:
        if raw.amplitude.shape[1:] != (side, side):
            notes.append(f"the file's amplitude and phase, {raw.amplitude.shape[1:]} px, do not fit {side} px patterns")
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
    """A real part of the object under each point, float32 (N, side, side), cut when asked for."""
    windows = np.lib.stride_tricks.sliding_window_view(obj, (side, side))
    places = np.floor(corners + 0.5).astype(int)  # as physics.scan.whole_px
    shape, dtype = (len(corners), side, side), np.dtype(np.float32)
    step = frames_per_block(shape, dtype)

    def blocks() -> Iterator[np.ndarray]:
        for first in range(0, len(places), step):
            rows, columns = places[first : first + step].T
            yield part(windows[rows, columns]).astype(dtype)

    return FrameStream(shape, dtype, blocks)
