"""The project's HDF5 file: written whole or not at all, checked on reading, readable with plain h5py."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

from ptycho_bench.data.atomic import written_whole
from ptycho_bench.data.check import UNITS, check_shapes, checked
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import Frames, StoredFrames, blocks_of
from ptycho_bench.data.scan import PtychoScan, ScanInfo
from ptycho_bench.data.versions import FORMAT_VERSION

PER_POINT = ("diffraction", "amplitude", "phase")
OPTIONAL = ("amplitude", "phase", "probe", "object", "mask")
NOT_MEASURED = ("origin", "simulation_hash", "held_out")


def arrays_of(scan: PtychoScan) -> dict[str, Frames]:
    """The scan's arrays by their names in the file; absent ones are left out."""
    arrays = {name: getattr(scan, "obj" if name == "object" else name) for name in UNITS}
    return {name: array for name, array in arrays.items() if array is not None}


class ContentHash:
    """sha256 of every array and of the attributes that say what was measured: identifies the data in every record.

    Args:
        info: the attributes; those not known count for nothing.
    """

    def __init__(self, info: ScanInfo) -> None:
        described = {k: plain(v) for k, v in dataclasses.asdict(info).items() if k not in NOT_MEASURED}
        known = sorted((k, v) for k, v in described.items() if v is not None)
        self.digest = hashlib.sha256(repr(known).encode())

    def over(self, name: str, array: Frames, parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Parts of an array, passed on after they went into the hash."""
        self.digest.update(f"{name} {np.dtype(array.dtype).str} {tuple(array.shape)}".encode())
        for part in parts:
            self.digest.update(np.ascontiguousarray(part).data)
            yield part

    def text(self) -> str:
        """Hexadecimal digits."""
        return self.digest.hexdigest()


def write_scan(
    path: str | os.PathLike, scan: PtychoScan, *, on_frames: Callable[[int], None] = lambda count: None
) -> str:
    """Write a scan, by a temporary file and a rename; frames that come as a stream are read once, block by block.

    Args:
        path: HDF5 file.
        scan: to be written.
        on_frames: called with the number of patterns written so far, for a progress bar.

    Returns:
        The scan's content hash.

    Raises:
        DataError: the scan is not consistent (see `data.check`).
        OSError: the folder cannot be written or the disk is full; nothing half-written stays behind.
    """
    path = Path(path)
    check_shapes(scan, str(path))
    with written_whole(path, expected_bytes(scan)) as handle:
        return write_arrays(handle, scan, str(path), on_frames)


def expected_bytes(scan: PtychoScan) -> int:
    """Upper estimate of a scan's size on disk: its arrays, and 256 bytes for each chunk's place in the file's index."""
    chunks = len(PER_POINT) * len(scan)
    return sum(array.nbytes for array in arrays_of(scan).values()) + 256 * chunks + 2**20


def write_arrays(handle: h5py.File, scan: PtychoScan, name: str, on_frames: Callable[[int], None]) -> str:
    """Fill an open file: arrays, units, attributes (an unknown one is empty); returns the content hash."""
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
            raise DataError(f"{name}: {key} ended after {first} of {len(array)} frames; is the source complete?")
    handle.attrs["format_version"] = FORMAT_VERSION
    handle.attrs["content_hash"] = stored(content.text())
    for key, value in dataclasses.asdict(scan.info).items():
        handle.attrs[key] = stored(value)
    return content.text()


def read_scan(path: str | os.PathLike) -> PtychoScan:
    """Read and check a scan, whole.

    Raises:
        DataError: the file is missing, truncated, of another format or changed since it was written, or its arrays
            have wrong shapes, NaN, or negative intensities.
    """
    return opened(Path(path), read_arrays)


def open_scan(path: str | os.PathLike) -> PtychoScan:
    """A scan whose patterns, amplitudes and phases stay in the file until asked for (`StoredFrames`).

    Raises:
        DataError: as `read_scan`; values that stay in the file are not looked at.
    """
    return opened(Path(path), lambda handle, path: scan_from(handle, path, lambda key: StoredFrames(path, key)))


def stream_scan(path: str | os.PathLike) -> PtychoScan:
    """`open_scan`, after all of the file went by block by block and was checked as `read_scan` does.

    Raises:
        DataError: as `read_scan`.
    """
    return opened(
        Path(path),
        lambda handle, path: verified(scan_from(handle, path, lambda key: StoredFrames(path, key)), str(path)),
    )


def opened(path: Path, read: Callable[[h5py.File, Path], PtychoScan]) -> PtychoScan:
    """What `read` makes of an HDF5 file; DataError for whatever is wrong with it."""
    if not path.is_file():
        raise DataError(f"no file {path}; make one with ptycho-simulate or ptycho-import, or set data.file_path=FILE")
    try:
        with h5py.File(path, "r") as handle:
            return read(handle, path)
    except DataError:
        raise
    except Exception as error:  # h5py meets damage with KeyError, ValueError, TypeError, MemoryError too
        raise DataError(f"{path} cannot be read as HDF5 ({error}); it is truncated or of another kind") from error


def scan_from(handle: h5py.File, path: Path, frames: Callable[[str], Frames]) -> PtychoScan:
    """A scan from an open file, its shapes checked.

    Args:
        handle: the open file.
        path: for messages.
        frames: gives the arrays that have one frame a scan point.
    """
    version = handle.attrs.get("format_version")
    if version is None:
        raise DataError(
            f"{path} is no ptycho_bench data set: no attribute format_version; it has {', '.join(handle)}; "
            "ptycho-import reads files of others"
        )
    if version != FORMAT_VERSION:
        raise DataError(f"{path} has format version {version}, this release reads {FORMAT_VERSION}; make it anew")
    missing = [name for name in UNITS if name not in handle and name not in OPTIONAL]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; it has {', '.join(handle)}; make it anew")
    present = [name for name in UNITS if name in handle]
    arrays = {name: frames(name) if name in PER_POINT else handle[name][()] for name in present}
    known = {f.name for f in dataclasses.fields(ScanInfo)} & set(handle.attrs)
    info = ScanInfo(**{"origin": "imported", **{name: plain(handle.attrs[name]) for name in known}})
    content_hash = plain(handle.attrs.get("content_hash", b""))
    scan = PtychoScan(obj=arrays.pop("object", None), info=info, content_hash=content_hash, **arrays)
    check_shapes(scan, str(path))
    return scan


def read_arrays(handle: h5py.File, path: Path) -> PtychoScan:
    """A whole scan from an open file, its values and hash checked."""
    return verified(scan_from(handle, path, lambda key: handle[key][()]), str(path))


def verified(scan: PtychoScan, name: str) -> PtychoScan:
    """The scan, its values and hash checked block by block."""
    content = ContentHash(scan.info)
    for key, array in arrays_of(scan).items():
        for _ in content.over(key, array, checked(blocks_of(array), key, name)):
            pass
    if scan.content_hash and content.text() != scan.content_hash:
        raise DataError(f"{name} is not what was written (content hash differs); delete it to have it made anew")
    return dataclasses.replace(scan, content_hash=content.text())


def stored(value: object) -> object:
    """An attribute as HDF5 keeps it; texts have a fixed length, since a damaged file can send the reader of others
    round in circles."""
    if value is None:
        return h5py.Empty("f")
    return np.bytes_(value.encode()) if isinstance(value, str) else value


def plain(value: object) -> object:
    """An attribute as Python knows it."""
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def is_own(path: str | os.PathLike) -> bool:
    """True for an HDF5 file of this project, also of another version."""
    try:
        with h5py.File(path, "r") as handle:
            return "format_version" in handle.attrs
    except OSError:
        return False
