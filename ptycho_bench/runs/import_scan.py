"""Import a scan from files of other projects."""

import re
from pathlib import Path

from ptycho_bench.config.importing import ImportSpec, packaged_readers
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.store import is_own, stream_scan, write_scan
from ptycho_bench.formats.assemble import assemble
from ptycho_bench.formats.containers.paths import expand
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.formats.registry import recognise
from ptycho_bench.formats.scan_frames import scan_frames
from ptycho_bench.records.progress import progress


def import_scan(spec: ImportSpec, path: Path) -> list[str]:
    """Read the files of a scan and write them in this project's format.

    Args:
        spec: which files, and how they are read.
        path: HDF5 file to write.

    Returns:
        The decisions made on the way, one line each.

    Raises:
        DataError: If the files cannot be read as a scan.
        OSError: If the file cannot be written.
    """
    raw = read_raw(spec)
    options = {"geometry": spec.geometry, "patterns": spec.patterns, "positions": spec.positions}
    with progress("looking at frames", len(raw.frames)) as done:
        scan, notes = assemble(raw, **options, scan_frames=lambda frames, masked: scan_frames(frames, masked, done))
    with progress("writing", len(scan)) as write:
        write_scan(path, scan, on_frames=write)
    return [f"read as {raw.format}", *notes]


def read_raw(spec: ImportSpec) -> RawScan:
    """Return the scan in the files, read by the named format or by the first that recognises them.

    Raises:
        DataError: If the files cannot be read, or a file of this project has changed since it was written.
    """
    files = expand(list(spec.files))
    for file in filter(is_own, files):
        stream_scan(file)
        if spec.reader is None:
            raise DataError(f"{file} is this project's own file and needs no import; use it as data={file}")
    reader = spec.reader or recognise(files, packaged_readers())[1]
    return reader.read(files)


def name_of_files(file: str | Path) -> str:
    """Return the name of a file without its suffixes, for the files that are made from it.

    >>> name_of_files("a/scan7.npz.bz2"), name_of_files("${x}.h5"), name_of_files(".h5")
    ('scan7', '__x_', 'h5')
    """
    name = Path(file).name.lstrip(".").partition(".")[0]
    return re.sub(r"[^\w+ -]", "_", name) or "scan"
