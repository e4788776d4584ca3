"""The hashes that identify the content of a scan and protect its description."""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator

import h5py
import numpy as np

from ptycho_bench.data.check import UNITS
from ptycho_bench.data.frames import Frames
from ptycho_bench.data.scan import PtychoScan, ScanInfo

NOT_MEASURED = ("origin", "simulation_hash", "held_out")


def arrays_of(scan: PtychoScan) -> dict[str, Frames]:
    """Return the scan's arrays by their names in the file, without those that are None."""
    arrays = {name: getattr(scan, "obj" if name == "object" else name) for name in UNITS}
    return {name: array for name, array in arrays.items() if array is not None}


class ContentHash:
    """sha256 of all arrays and of the attributes that describe the measurement; it identifies the data in records.

    Args:
        info: description of the scan; unknown attributes are left out.
    """

    def __init__(self, info: ScanInfo) -> None:
        described = {k: attribute_value(v) for k, v in dataclasses.asdict(info).items() if k not in NOT_MEASURED}
        known = sorted((k, v) for k, v in described.items() if v is not None)
        self.digest = hashlib.sha256(repr(known).encode())

    def over(self, name: str, array: Frames, parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the parts of an array after adding them to the hash."""
        self.digest.update(f"{name} {np.dtype(array.dtype).str} {tuple(array.shape)}".encode())
        for part in parts:
            self.digest.update(np.ascontiguousarray(part).data)
            yield part

    def hexdigest(self) -> str:
        """Return the hash as hexadecimal digits."""
        return self.digest.hexdigest()


def history_hash(info: ScanInfo) -> str:
    """Return the sha256 of what does not identify the data: their origin, the settings, whether they are held out."""
    stored = [(name, attribute_value(getattr(info, name))) for name in NOT_MEASURED]
    return hashlib.sha256(repr(stored).encode()).hexdigest()


def to_attribute(value: object) -> object:
    """Convert a Python value to an HDF5 attribute.

    Texts have a fixed length, since HDF5 may loop forever on a text of variable length in a damaged file.
    """
    if value is None:
        return h5py.Empty("f")
    return np.bytes_(value.encode()) if isinstance(value, str) else value


def attribute_value(value: object) -> object:
    """Convert an HDF5 attribute to a Python value; an empty attribute becomes None."""
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value
