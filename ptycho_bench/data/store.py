"""The project's HDF5 file: written completely or not at all, checked on reading, readable with plain h5py."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import h5py

from ptycho_bench.data.atomic import written_whole
from ptycho_bench.data.check import UNITS, check_info, check_shapes, checked
from ptycho_bench.data.content import ContentHash, arrays_of, attribute_value, history_hash, to_attribute
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import Frames, StoredFrames, blocks_of
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.data.storage import read_attribute, uncompressed
from ptycho_bench.data.versions import FORMAT_VERSION

PER_POINT = ("diffraction", "amplitude", "phase")
KNOWN = [field.name for field in dataclasses.fields(ScanInfo)]
MARKS = ("format_version", "content_hash", "history_hash")  # attributes besides those that describe the scan
OPTIONAL = ("amplitude", "phase", "probe", "object", "mask")


def write_scan(
    path: str | os.PathLike, scan: PtychoScan, *, on_frames: Callable[[int], None] = lambda count: None
) -> str:
    """Write a scan by a temporary file and a rename; streamed frames are read once, block by block.

    Args:
        path: path of the HDF5 file.
        scan: scan to write.
        on_frames: called with the number of patterns written so far, for a progress bar.

    Returns:
        The scan's content hash.

    Raises:
        DataError: If the scan is not consistent (see `data.check`).
        OSError: If the folder cannot be written or the disk is full; no incomplete file is left behind.
    """
    path = Path(path)
    check_info(scan.info, str(path))
    check_shapes(scan, str(path))
    with written_whole(path, expected_bytes(scan)) as handle:
        return write_arrays(handle, scan, str(path), on_frames)


def expected_bytes(scan: PtychoScan) -> int:
    """Return an upper estimate of a scan's size on disk: its arrays, and 256 bytes per chunk for the file's index."""
    chunks = len(PER_POINT) * len(scan)
    return sum(array.nbytes for array in arrays_of(scan).values()) + 256 * chunks + 2**20


def write_arrays(handle: h5py.File, scan: PtychoScan, name: str, on_frames: Callable[[int], None]) -> str:
    """Write arrays, units and attributes (empty if unknown) to an open file and return the content hash."""
    content = ContentHash(scan.info)
    for key, array in arrays_of(scan).items():
        chunks = (1, *array.shape[1:]) if key in PER_POINT else None
        data = handle.create_dataset(key, array.shape, array.dtype, chunks=chunks)
        data.attrs["unit"] = UNITS[key]
        first = 0
        for part in content.over(key, array, checked(blocks_of(array), key, name)):
            data[first : first + len(part)] = part
            first += len(part)
            if key == "diffraction":
                on_frames(first)
        if first != len(array):
            raise DataError(
                f"{name}: {key} ended after {first} of {len(array)} frames; check that the source is complete"
            )
    handle.attrs["format_version"] = FORMAT_VERSION
    handle.attrs["content_hash"] = to_attribute(content.hexdigest())
    handle.attrs["history_hash"] = to_attribute(history_hash(scan.info))
    for key, value in dataclasses.asdict(scan.info).items():
        handle.attrs[key] = to_attribute(value)
    return content.hexdigest()


def read_scan(path: str | os.PathLike) -> PtychoScan:
    """Read a whole scan into memory and check it.

    Raises:
        DataError: If the file is missing, truncated, of another format or has changed since it was written, or its
            arrays have wrong shapes, NaN, or negative intensities.
    """
    return read_hdf5(Path(path), read_arrays)


def open_scan(path: str | os.PathLike) -> PtychoScan:
    """Open a scan whose patterns, amplitudes and phases stay in the file until they are requested (`StoredFrames`).

    Use it only for shapes and attributes; `stream_scan` also checks the values and the content hash.

    Raises:
        DataError: If the file is missing, truncated or of another format, or its arrays have wrong shapes; the values
            that stay in the file are not checked.
    """
    return read_hdf5(Path(path), lambda handle, path: scan_from(handle, path, lambda key: StoredFrames(path, key)))


def stream_scan(path: str | os.PathLike) -> PtychoScan:
    """Open a scan as `open_scan` does, after checking the whole file block by block as `read_scan` does.

    Raises:
        DataError: If the file is missing, truncated, of another format or has changed since it was written, or its
            arrays have wrong shapes, NaN, or negative intensities.
    """
    return read_hdf5(
        Path(path),
        lambda handle, path: verified(scan_from(handle, path, lambda key: StoredFrames(path, key)), str(path)),
    )


def read_hdf5(path: Path, read: Callable[[h5py.File, Path], PtychoScan]) -> PtychoScan:
    """Return what `read` returns for an HDF5 file, and raise DataError for any damage to it."""
    if not path.is_file():
        raise DataError(f"no file {path}; make one with ptycho-simulate or ptycho-import, or set data.file_path=FILE")
    try:
        with h5py.File(path, "r") as handle:
            return read(handle, path)
    except DataError:
        raise
    except Exception as error:  # for damaged files, h5py also raises KeyError, ValueError, TypeError and MemoryError
        raise DataError(f"{path} cannot be read as HDF5 ({error}); it is truncated or of another kind") from error


def scan_from(handle: h5py.File, path: Path, frames: Callable[[str], Frames]) -> PtychoScan:
    """Build a scan from an open file and check its shapes.

    Args:
        handle: open file.
        path: path of the file, for messages.
        frames: returns the array of this name, for arrays with one frame per scan point.

    Raises:
        DataError: If the file is of another format or version, or arrays are missing or have wrong shapes.
    """
    stored = {name: attribute_value(read_attribute(handle, name)) for name in {*KNOWN, *MARKS} & set(handle.attrs)}
    version = stored.get("format_version")
    if version is None:
        raise DataError(
            f"{path} is not a ptycho_bench data set: attribute format_version is missing; it contains "
            f"{', '.join(handle)}; read files of other programs with ptycho-import"
        )
    if version != FORMAT_VERSION:
        raise DataError(f"{path} has format version {version}, this release reads {FORMAT_VERSION}; regenerate it")
    missing = [name for name in UNITS if name not in handle and name not in OPTIONAL]
    if missing:
        raise DataError(f"{path} has no {', '.join(missing)}; it contains {', '.join(handle)}; regenerate it")
    present = [name for name in UNITS if name in handle]
    values = {name: uncompressed(handle, name) for name in present}
    arrays = {name: frames(name) if name in PER_POINT else values[name][()] for name in present}
    info = ScanInfo(**{"origin": "imported", **{name: value for name, value in stored.items() if name in KNOWN}})
    check_info(info, str(path))
    if stored.get("history_hash", history_hash(info)) != history_hash(info):
        raise DataError(f"{path} has changed since it was written (its description differs); delete and regenerate it")
    content_hash = stored.get("content_hash") or ""
    scan = PtychoScan(obj=arrays.pop("object", None), info=info, content_hash=content_hash, **arrays)
    check_shapes(scan, str(path))
    return scan


def read_arrays(handle: h5py.File, path: Path) -> PtychoScan:
    """Read a whole scan from an open file and check its values and hash."""
    return verified(scan_from(handle, path, lambda key: handle[key][()]), str(path))


def verified(scan: PtychoScan, name: str) -> PtychoScan:
    """Check the values and the hash of a scan block by block, and return it."""
    if not scan.content_hash:
        raise DataError(f"{name} has no content hash, so it cannot be checked; regenerate it, or import the original")
    content = ContentHash(scan.info)
    for key, array in arrays_of(scan).items():
        for _ in content.over(key, array, checked(blocks_of(array), key, name)):
            pass
    if content.hexdigest() != scan.content_hash:
        raise DataError(f"{name} has changed since it was written (its content hash differs); delete and regenerate it")
    return scan


def is_own(path: str | os.PathLike) -> bool:
    """Return True for an HDF5 file of this project, whatever its version."""
    try:
        if not Path(path).is_file():
            return False
        with h5py.File(path, "r") as handle:
            return "format_version" in handle.attrs
    except Exception:  # for damaged files, h5py also raises KeyError, RuntimeError and ValueError
        return False
