"""PtychoPINN: one .npz with diffraction or diff3d, xcoords and ycoords; probeGuess, objectGuess and Y are optional."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.layout import probe_modes
from ptycho_bench.formats.containers.npz import npz_frames, npz_names, open_npz
from ptycho_bench.formats.raw_scan import RawScan

PATTERNS, COORDINATES = ("diffraction", "diff3d"), {"xcoords", "ycoords"}


@dataclass(frozen=True, kw_only=True)
class PtychoPINN:
    """Reader of PtychoPINN's files; patterns of whole numbers are intensities, all others are amplitudes."""

    def recognises(self, files: list[str]) -> bool:
        """Return True for an .npz with PtychoPINN's names."""
        names = npz_names(files[0]) if len(files) == 1 else frozenset()
        return names >= COORDINATES and any(key in names for key in PATTERNS)

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, see `Reader`."""
        if len(files) != 1:
            raise DataError(f"PtychoPINN stores a scan in one file, got {len(files)} files; name one")
        path = Path(files[0])
        with open_npz(path) as archive:
            key = next((name for name in PATTERNS if name in archive), PATTERNS[0])
            shape = archive.header(key)[0]
            positions = np.stack([archive.array(f"{axis}coords").ravel() for axis in "yx"], axis=1)
            probe, notes = (
                probe_modes(archive.array("probeGuess"), str(path)) if "probeGuess" in archive else (None, ())
            )
            obj = np.squeeze(archive.array("objectGuess")) if "objectGuess" in archive else None
            labelled = "Y" in archive
        frames_first, order_notes = frames_come_first(shape, len(positions), f"{path}: {key}")
        frames, _ = npz_frames(path, key, frames_first=frames_first)
        quantity, quantity_note = quantity_of(frames, key)
        amplitude, phase = label_streams(path) if labelled else (None, None)
        return RawScan(
            source=str(path),
            format="ptychopinn",
            frames=frames,
            quantity=quantity,
            positions_px=positions.astype(np.float64),
            probe=probe,
            obj=obj if obj is not None and obj.ndim == 2 and obj.dtype.kind == "c" else None,
            amplitude=amplitude,
            phase=phase,
            notes=(quantity_note, *order_notes, *notes),
        )


def frames_come_first(shape: tuple[int, ...], count: int, where: str) -> tuple[bool, tuple[str, ...]]:
    """Return True for (N, H, W) and False for (H, W, N), given the number of positions, and a note if both fit.

    Raises:
        DataError: If neither fits.
    """
    core = shape[:-1] if len(shape) == 4 and shape[-1] == 1 else shape
    if len(core) != 3 or count not in (core[0], core[2]):
        raise DataError(
            f"{where} has shape {shape}, but there are {count} coordinates; it must be (N, H, W) or (H, W, N): use "
            "format=keys for another layout"
        )
    if core[0] == core[2]:
        return True, (f"{where} has shape {shape} for {count} points and is read as (N, H, W)",)
    return core[0] == count, ()


def quantity_of(frames: FrameStream, key: str) -> tuple[str, str]:
    """Return intensity if the first frames are whole numbers, some above 1, else amplitude; and a note."""
    first = next(iter(frames.blocks()))
    if frames.dtype.kind in "ui" or (first.max() > 1 and (first == np.round(first)).all()):
        return "intensity", (
            f"{key} contains whole numbers, which are taken as counts, that is, intensity; otherwise set "
            "patterns.quantity=amplitude"
        )
    return "amplitude", f"{key} contains fractions and is taken as amplitude; otherwise set patterns.quantity=intensity"


def label_streams(path: Path) -> tuple[FrameStream, FrameStream]:
    """Return amplitude and phase under each frame, from the complex patches Y.

    Raises:
        DataError: If Y is not complex.
    """
    stored, _ = npz_frames(path, "Y", allow_complex=True)
    if stored.dtype.kind != "c":
        raise DataError(f"{path}: Y is {stored.dtype}; it must be complex patches (N, H, W): remove or replace it")
    return stored.map(np.abs), stored.map(np.angle)
