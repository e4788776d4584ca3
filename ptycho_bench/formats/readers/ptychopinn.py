"""PtychoPINN: one .npz with diffraction or diff3d, xcoords, ycoords, and perhaps probeGuess, objectGuess and Y."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.layout import probe_modes
from ptycho_bench.formats.containers.npz import npz_frames, npz_names, opened_npz
from ptycho_bench.formats.raw_scan import RawScan

PATTERNS, PLACES = ("diffraction", "diff3d"), {"xcoords", "ycoords"}


@dataclass(frozen=True, kw_only=True)
class PtychoPINN:
    """Amplitudes as real numbers; counts, hence intensities, where the patterns are whole numbers."""

    def recognises(self, files: list[str]) -> bool:
        """True for a .npz with PtychoPINN's names."""
        names = npz_names(files[0]) if len(files) == 1 else frozenset()
        return names >= PLACES and any(key in names for key in PATTERNS)

    def read(self, files: list[str]) -> RawScan:
        """The scan; see `Reader`."""
        if len(files) != 1:
            raise DataError(f"PtychoPINN keeps a scan in one file, got {len(files)}; name one")
        path = Path(files[0])
        with opened_npz(path) as archive:
            key = next((name for name in PATTERNS if name in archive), PATTERNS[0])
            shape = archive.header(key)[0]
            places = np.stack([archive.array(f"{axis}coords").ravel() for axis in "yx"], axis=1)
            probe, notes = (
                probe_modes(archive.array("probeGuess"), str(path)) if "probeGuess" in archive else (None, ())
            )
            obj = np.squeeze(archive.array("objectGuess")) if "objectGuess" in archive else None
            labelled = "Y" in archive
        frames_first, order_notes = frames_come_first(shape, len(places), f"{path}: {key}")
        frames, _ = npz_frames(path, key, frames_first=frames_first)
        quantity, quantity_note = quantity_of(frames, key)
        amplitude, phase = patches(path) if labelled else (None, None)
        return RawScan(
            source=str(path),
            format="ptychopinn",
            frames=frames,
            quantity=quantity,
            positions_px=places.astype(np.float64),
            probe=probe,
            obj=obj if obj is not None and obj.ndim == 2 and obj.dtype.kind == "c" else None,
            amplitude=amplitude,
            phase=phase,
            notes=(quantity_note, *order_notes, *notes),
        )


def frames_come_first(shape: tuple[int, ...], count: int, where: str) -> tuple[bool, tuple[str, ...]]:
    """True for (N, H, W), False for (H, W, N), by the number of positions; and a note where both fit.

    Raises:
        DataError: neither fits.
    """
    core = shape[:-1] if len(shape) == 4 and shape[-1] == 1 else shape
    if len(core) != 3 or count not in (core[0], core[2]):
        raise DataError(
            f"{where} has shape {shape}, and there are {count} coordinates; (N, H, W) or (H, W, N) is needed"
        )
    if core[0] == core[2]:
        return True, (f"{where} has shape {shape} for {count} points: read as (N, H, W)",)
    return core[0] == count, ()


def quantity_of(frames: FrameStream, key: str) -> tuple[str, str]:
    """Intensity where the first frames are whole numbers above 1, else amplitude; and a note."""
    first = next(iter(frames.blocks()))
    if frames.dtype.kind in "ui" or (first.max() > 1 and (first == np.round(first)).all()):
        return "intensity", f"{key} holds whole numbers: counts, hence intensity; otherwise patterns.quantity=amplitude"
    return "amplitude", f"{key} holds fractions: taken as amplitude; otherwise patterns.quantity=intensity"


def patches(path: Path) -> tuple[FrameStream, FrameStream]:
    """Amplitude and phase under each frame, of the complex patches Y."""
    stored, _ = npz_frames(path, "Y", complex_too=True)
    if stored.dtype.kind != "c":
        raise DataError(f"{path}: Y is {stored.dtype}; complex patches (N, H, W) are needed")
    return stored.map(np.abs), stored.map(np.angle)
