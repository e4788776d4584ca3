"""Check that a scan's arrays are consistent with each other and have physical values."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Annotated

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.scan import PtychoScan, ScanInfo, detector_fractions
from ptycho_bench.physics.bounds import Index, Interval, Metres, Positive, Seed, check_bounds

UNITS = {
    "diffraction": "photons",
    "amplitude": "1",
    "phase": "rad",
    "positions_px": "px (row, column) of the patch's top-left pixel",
    "scan_index": "1 (scan row, scan column)",
    "probe": "sqrt(photons)",
    "object": "1 (complex transmission)",
    "mask": "1 (0 = good pixel)",
}
KINDS = {"diffraction": "uif", "scan_index": "iu", "probe": "c", "object": "c", "mask": "u"}  # all others: float
TYPES = {"u": "unsigned integer", "i": "integer", "f": "float", "c": "complex"}
NOT_NEGATIVE = ("diffraction", "amplitude")
INFO = {
    "photons": Annotated[float, Interval("(0, 1e18]")],
    "overlap_ratio": Annotated[float, Interval("[-1000, 1)")],  # negative if the step is wider than the probe
    "step_px": Annotated[float, Interval("[0, 1e6]")],
    "jitter_px": Index,
    "pixel_size_m": Metres,
    "energy_ev": Positive,
    "distance_m": Annotated[float, Interval("(0, 1e6]")],
    "detector_pixel_m": Metres,
    "seed": Seed,
}
REQUIRED, WHOLE, MOST_LETTERS = ("origin", "jitter_px", "noise", "held_out"), ("jitter_px", "seed"), 10_000
FIELD_PX = Interval("[-0.5, 65536]")  # of positions; they are rounded to whole pixels


def check_info(info: ScanInfo, name: str) -> None:
    """Raise DataError if the description of a scan has an impossible value.

    Args:
        info: description of the scan.
        name: name of the scan or its file, for messages.
    """
    for key, stored in dataclasses.asdict(info).items():
        value = stored.item() if isinstance(stored, np.generic) else stored
        if value is None and key not in REQUIRED:
            continue
        kind = bool if key == "held_out" else int if key in WHOLE else (int, float) if key in INFO else str
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise DataError(f"{name}: attribute {key} is {value!r:.40}, which is of another type; regenerate the file")
        if isinstance(value, str) and (len(value) > MOST_LETTERS or not value.isprintable()):
            raise DataError(f"{name}: attribute {key} must be a printable text of at most {MOST_LETTERS} letters")
        try:
            check_bounds(f"attribute {key}", value, INFO.get(key))
        except ValueError as error:
            raise DataError(f"{name}: {error}; correct it where the data come from") from error
    try:
        detector_fractions(info.noise)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


def check_shapes(scan: PtychoScan, name: str) -> None:
    """Raise DataError if the shapes of a scan's arrays do not agree.

    Args:
        scan: scan to check.
        name: name of the scan or its file, for messages.
    """
    if scan.diffraction.ndim != 3 or 0 in scan.diffraction.shape:
        raise DataError(f"{name}: diffraction has shape {scan.diffraction.shape}, it must be (N, H, W) with N > 0")
    count, height, width = scan.diffraction.shape
    if height != width:
        raise DataError(f"{name}: patterns are {height} x {width} px; crop them to a square")
    if (scan.amplitude is None) != (scan.phase is None):
        absent = "amplitude" if scan.amplitude is None else "phase"
        raise DataError(f"{name} has no {absent}; amplitude and phase belong together: give both or neither")
    shapes = {"amplitude": (count, height, width), "phase": (count, height, width)}
    shapes |= {"positions_px": (count, 2), "scan_index": (count, 2), "mask": (height, width)}
    for field, shape in shapes.items():
        array = getattr(scan, field)
        if array is not None and array.shape != shape:
            raise DataError(f"{name}: {field} has shape {array.shape}, but diffraction needs {shape}")
    check_places(scan, name)
    probe = scan.probe
    if probe is not None and (probe.ndim != 3 or probe.shape[1:] != (height, width) or probe.dtype.kind != "c"):
        raise DataError(f"{name}: probe is {probe.dtype} {probe.shape}, it must be complex (modes, {height}, {width})")


def check_places(scan: PtychoScan, name: str) -> None:
    """Raise DataError if patches lie outside the object, or so far from each other that no memory holds the field.

    Values that are NaN or no real numbers are reported by `checked`.
    """
    if scan.positions_px.dtype.kind != "f" or np.isnan(scan.positions_px).any():
        return
    for reach in (scan.positions_px.min(), scan.positions_px.max()):
        if reach not in FIELD_PX:
            raise DataError(
                f"{name}: positions reach {reach:.6g} px, but must lie in {FIELD_PX.text}; check their unit and the "
                "pixel size"
            )
    ends = np.floor(scan.positions_px.max(axis=0) + 0.5) + scan.patch_px
    if scan.obj is not None and scan.obj.ndim == 2 and (ends > scan.obj.shape).any():
        raise DataError(
            f"{name}: patches reach {ends[0]:.0f} x {ends[1]:.0f} px, but the object ends at {scan.obj.shape[0]} x "
            f"{scan.obj.shape[1]} px; check the positions"
        )


def checked(parts: Iterable[np.ndarray], field: str, name: str) -> Iterator[np.ndarray]:
    """Yield the parts of one array after checking them.

    Args:
        parts: consecutive parts of the array.
        field: name of the array, a key of `UNITS`.
        name: name of the scan or its file, for messages.

    Raises:
        DataError: If a part has a wrong type, or values that are not finite or negative, or every pattern is zero.
    """
    largest = 0.0
    for part in parts:
        if part.dtype.kind not in KINDS.get(field, "f"):
            kinds = " or ".join(TYPES[kind] for kind in KINDS.get(field, "f"))
            raise DataError(f"{name}: {field} is {part.dtype}, it must be {kinds}")
        if part.dtype.kind in "fc" and not np.isfinite(part).all():
            bad = int((~np.isfinite(part)).sum())
            raise DataError(f"{name}: {field} contains {bad} NaN or infinite values; mask or replace them first")
        if field in NOT_NEGATIVE and part.min() < 0:
            raise DataError(
                f"{name}: {field} reaches {part.min():g}; it must be >= 0; clip it at 0 or subtract no background"
            )
        if field == "diffraction":
            largest = max(largest, float(part.max()))
        yield part
    if field == "diffraction" and largest == 0:
        raise DataError(f"{name}: every diffraction pattern is zero; check whether the shutter was closed")
