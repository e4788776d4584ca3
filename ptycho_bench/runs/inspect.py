"""Read the files of a scan and describe what they contain and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.config.importing import compose_import, import_overrides
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.store import is_own, stream_scan
from ptycho_bench.formats.assemble import assemble
from ptycho_bench.formats.inspection import describe_scan, what_is_missing
from ptycho_bench.formats.scan_frames import FrameStatistics, scan_frames
from ptycho_bench.reconstruction.orientation import try_orientations
from ptycho_bench.records.pictures import draw_scan
from ptycho_bench.runs.import_scan import read_raw
from ptycho_bench.solvers.orientation_search import best_orientations

SHOWN_PATTERNS = 4


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """The files of a scan, read and examined.

    Args:
        scan: the scan.
        frames: statistics of the examined patterns.
        notes: decisions made while reading, one line each.
        own: whether the file is in this project's format.
    """

    scan: PtychoScan
    frames: FrameStatistics
    notes: list[str]
    own: bool

    def lines(self) -> list[str]:
        """Return a description of the scan, one line for each fact."""
        return [*self.notes, *describe_scan(self.scan, self.frames)]

    def missing(self) -> list[str]:
        """Return what is missing from the scan, one line each."""
        return what_is_missing(self.scan)

    def draw(self, path: Path, title: str) -> None:
        """Draw some patterns, the mean pattern and the positions as PNG."""
        patterns = next(iter(self.scan.diffraction.first(SHOWN_PATTERNS).blocks()))
        draw_scan(path, patterns, self.frames.mean, self.scan.positions_px, title)


def inspect_files(files: Sequence[str], overrides: Sequence[str], first: int | None) -> Inspected:
    """Read files as one scan.

    Args:
        files: of one scan.
        overrides: options of ptycho-import.
        first: number of patterns to examine; None for all.

    Raises:
        DataError: If the files cannot be read as a scan, or a file of this project has changed since it was written.
        ValueError: If import options are given for a file of this project.
    """
    if len(files) == 1 and is_own(files[0]):
        refuse_import_options(files[0], overrides)
        notes = ["read as this project's own file", "content hash: matches"]
        scan = stream_scan(files[0])
        masked = np.zeros((scan.patch_px,) * 2, bool) if scan.mask is None else scan.mask > 0
        frames = scan_frames(scan.diffraction.first(first), masked)
        return Inspected(scan=scan, frames=frames, notes=notes, own=True)
    spec = compose_import(files, overrides)
    raw = read_raw(spec)
    options = {"geometry": spec.geometry, "patterns": spec.patterns, "positions": spec.positions}
    scan, notes = assemble(raw, **options, scan_frames=lambda frames, masked: scan_frames(frames.first(first), masked))
    frames = scan_frames(scan.diffraction.first(first), scan.mask > 0)
    return Inspected(scan=scan, frames=frames, notes=[f"read as {raw.format}", *notes], own=False)


def refuse_import_options(file: str, overrides: Sequence[str]) -> None:
    """Check that no import options are given for a file of this project.

    Raises:
        ValueError: If there are any.
    """
    if given := import_overrides(overrides):
        raise ValueError(
            f"{file} is this project's own file; {', '.join(given)} is for importing: run ptycho-import on the original"
        )


def orientation_lines(scan: PtychoScan) -> list[str]:
    """Return one line with the misfit of each of the eight orientations, best first, and one that names the best."""
    misfits = try_orientations(scan)
    lines = [f"{name:18s} {misfit:.4f}" for name, misfit in sorted(misfits.items(), key=lambda pair: pair[1])]
    names = best_orientations(misfits)
    if len(names) == 1:
        return [*lines, f"best: positions.orientation={names[0]}"]
    if len(names) == len(misfits):
        return [*lines, "these patterns cannot distinguish them"]
    return [*lines, f"best: {' or '.join(names)}, which these patterns cannot distinguish"]
