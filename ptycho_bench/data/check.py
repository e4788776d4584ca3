"""Check that a scan's arrays are consistent with each other and have physical values."""

from collections.abc import Iterable, Iterator

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.scan import PtychoScan

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
    probe = scan.probe
    if probe is not None and (probe.ndim != 3 or probe.shape[1:] != (height, width) or probe.dtype.kind != "c"):
        raise DataError(f"{name}: probe is {probe.dtype} {probe.shape}, it must be complex (modes, {height}, {width})")


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
