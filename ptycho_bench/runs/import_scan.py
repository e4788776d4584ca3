"""Import a scan from files of other projects."""

from pathlib import Path

from ptycho_bench.config.importing import ImportSpec, packaged_readers
from ptycho_bench.data.store import write_scan
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
    """Return the scan in the files, read by the named format or by the first that recognises them."""
    files = expand(list(spec.files))
    reader = spec.reader or recognise(files, packaged_readers())[1]
    return reader.read(files)


def name_of_files(file: str | Path) -> str:
    """Return the name of a file without its suffixes, for the files that are made from it."""
    return Path(file).name.partition(".")[0]
