"""The project's HDF5 file: written whole or not at all, checked on reading, readable with plain h5py."""

import dataclasses
import hashlib
import os
from pathlib import Path

import h5py
import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.sample import PtychoScan, ScanInfo
from ptycho_bench.data.versions import FORMAT_VERSION

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
KINDS = {"diffraction": "uif", "scan_index": "iu", "probe": "c", "object": "c", "mask": "u"}  # others: float
PER_POINT = ("diffraction", "amplitude", "phase")
OPTIONAL = ("object", "mask")
NOT_MEASURED = ("origin", "recipe_hash", "held_out")


def arrays_of(scan: PtychoScan) -> dict[str, np.ndarray]:
    """The scan's arrays by their names in the file; absent ones are left out."""
    arrays = {name: getattr(scan, "obj" if name == "object" else name) for name in UNITS}
    return {name: array for name, array in arrays.items() if array is not None}


def content_hash(scan: PtychoScan) -> str:
    """sha256 of every array and of the attributes that say what was measured: identifies the data in every record."""
    described = {k: plain(v) for k, v in dataclasses.asdict(scan.info).items() if k not in NOT_MEASURED}
    digest = hashlib.sha256(repr(sorted(described.items())).encode())
    for name, array in arrays_of(scan).items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_scan(path: str | os.PathLike, scan: PtychoScan) -> PtychoScan:
    """Write a scan, by a temporary file and a rename; returns it with its content hash.

    Raises:
        DataError: the scan is not consistent (see `check_scan`).
        OSError: the folder cannot be written or the disk is full; nothing half-written stays behind.
    """
    path = Path(path)
    check_scan(scan, str(path))
    scan = dataclasses.replace(scan, content_hash=content_hash(scan))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        reserve(partial, expected_bytes(scan))
        with h5py.File(partial, "w") as handle:
            write_arrays(handle, scan)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:
        raise OSError(f"cannot write {path}: {error}; free some space or set outputs_dir=FOLDER") from error
    finally:
        partial.unlink(missing_ok=True)
    return scan


def expected_bytes(scan: PtychoScan) -> int:
    """Upper estimate of a scan's size on disk: its arrays, and 256 bytes for each chunk's place in the file's index."""
    chunks = len(PER_POINT) * len(scan)
    return sum(array.nbytes for array in arrays_of(scan).values()) + 256 * chunks + 2**20


def reserve(path: Path, size: int) -> None:
    """Raise OSError now where `size` bytes do not fit: HDF5 that meets a full disk takes the process down with it."""
    with open(path, "wb") as handle:
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(handle.fileno(), 0, size)
            except OSError as error:
                raise OSError(f"{error.strerror}, {size / 1e6:.0f} MB are needed") from error


def write_arrays(handle: h5py.File, scan: PtychoScan) -> None:
    """Fill an open file: arrays, their units, the attributes; an unknown attribute is an empty one."""
    for name, array in arrays_of(scan).items():
        chunks = (1, *array.shape[1:]) if name in PER_POINT else None
        handle.create_dataset(name, data=array, chunks=chunks).attrs["unit"] = UNITS[name]
    handle.attrs["format_version"] = FORMAT_VERSION
    handle.attrs["content_hash"] = scan.content_hash
    for name, value in dataclasses.asdict(scan.info).items():
        handle.attrs[name] = h5py.Empty("f") if value is None else value


def read_scan(path: str | os.PathLike) -> PtychoScan:
    """Read and check a scan.

    Raises:
        DataError: the file is missing, truncated, of another format or changed since it was written, or its arrays
            have wrong shapes, NaN, or negative intensities.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no file {path}; make one with ptycho-simulate, or set data.file_path=FILE")
    try:
        with h5py.File(path, "r") as handle:
            return read_arrays(handle, path)
    except DataError:
        raise
    except Exception as error:  # h5py meets damage with KeyError, ValueError, TypeError, MemoryError too
        raise DataError(f"{path} cannot be read as HDF5 ({error}); it is truncated or of another kind") from error


def read_arrays(handle: h5py.File, path: Path) -> PtychoScan:
    """A scan from an open file, checked."""
    version = handle.attrs.get("format_version")
    if version is None:
        raise DataError(f"{path} is no ptycho_bench data set: no attribute format_version; it has {', '.join(handle)}")
    if version != FORMAT_VERSION:
        raise DataError(f"{path} has format version {version}, this release reads {FORMAT_VERSION}; make it anew")
    missing = [name for name in UNITS if name not in handle and name not in OPTIONAL]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; it has {', '.join(handle)}; make it anew")
    arrays = {name: handle[name][()] for name in UNITS if name in handle}
    known = {f.name for f in dataclasses.fields(ScanInfo)} & set(handle.attrs)
    info = ScanInfo(**{"origin": "imported", **{name: plain(handle.attrs[name]) for name in known}})
    scan = PtychoScan(obj=arrays.pop("object", None), info=info, **arrays)
    check_scan(scan, str(path))
    computed, stored = content_hash(scan), handle.attrs.get("content_hash")
    if stored is not None and computed != stored:
        raise DataError(f"{path} is not what was written (content hash differs); delete it to have it made anew")
    return dataclasses.replace(scan, content_hash=computed)


def plain(value: object) -> object:
    """An attribute as Python knows it."""
    if isinstance(value, h5py.Empty):
        return None
    return value.item() if isinstance(value, np.generic) else value


def check_scan(scan: PtychoScan, name: str) -> None:
    """Raise DataError, naming value, bound and way out, unless the scan's arrays agree and are physical."""
    if scan.diffraction.ndim != 3 or 0 in scan.diffraction.shape:
        raise DataError(f"{name}: diffraction has shape {scan.diffraction.shape}; (N, H, W) with N > 0 is needed")
    count, height, width = scan.diffraction.shape
    if height != width:
        raise DataError(f"{name}: patterns are {height} x {width} px; crop them to a square")
    shapes = {"amplitude": (count, height, width), "phase": (count, height, width)}
    shapes |= {"positions_px": (count, 2), "scan_index": (count, 2)}
    for field, shape in shapes.items():
        if getattr(scan, field).shape != shape:
            raise DataError(f"{name}: {field} has shape {getattr(scan, field).shape}, diffraction asks for {shape}")
    if scan.probe.ndim != 3 or scan.probe.shape[1:] != (height, width) or not np.iscomplexobj(scan.probe):
        raise DataError(
            f"{name}: probe is {scan.probe.dtype} {scan.probe.shape}; complex (modes, {height}, {width}) is needed"
        )
    if scan.mask is not None and scan.mask.shape != (height, width):
        raise DataError(f"{name}: mask has shape {scan.mask.shape}, patterns are {(height, width)}")
    for field, array in arrays_of(scan).items():
        if array.dtype.kind not in KINDS.get(field, "f"):
            raise DataError(f"{name}: {field} is {array.dtype}; {UNITS[field]} needs another type")
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).sum())
            raise DataError(f"{name}: {field} holds {bad} NaN or infinite values; mask or mend them first")
    for field in ("diffraction", "amplitude"):
        lowest = getattr(scan, field).min()
        if lowest < 0:
            raise DataError(f"{name}: {field} reaches {lowest:g}; it must be >= 0; clip or subtract no background")
    if scan.diffraction.max() == 0:
        raise DataError(f"{name}: every diffraction pattern is zero; was the shutter closed?")
