"""PtychoNN's training files: patterns with amplitude and phase beside them, no positions, no units."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.npz import npy_frames, npz_frames, npz_names, opened_npz
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.raw_scan import RawScan

PHASE, AMPLITUDE = 0, 1  # channels of `real`
PARTS = {"frames": "X_", "amplitude": "Y_I_", "phase": "Y_phi_"}


@dataclass(frozen=True, kw_only=True)
class PtychoNN:
    """An exported .npz with reciprocal and real; or X_test.npy, Y_I_test.npy and Y_phi_test.npy, of any set's name."""

    def recognises(self, files: list[str]) -> bool:
        """True for the .npz names, or an X_*.npy file with its labels."""
        if len(files) == 1 and npz_names(files[0]) >= {"reciprocal", "real"}:
            return True
        parts = by_part(files)
        return "frames" in parts and len(parts) == len(files) > 1

    def read(self, files: list[str]) -> RawScan:
        """The scan; see `Reader`."""
        fields = exported(files[0]) if files[0].endswith(".npz") else from_arrays(files)
        notes = fields.pop("notes", ())
        lacks = "no positions; a raster can be given: positions.raster=[rows,columns] positions.step_px=STEP"
        return RawScan(source=joined_names(files), format="ptychonn", notes=(*notes, lacks), **fields)


def by_part(files: list[str]) -> dict[str, str]:
    """Which .npy file is which, by the beginning of its name."""
    npy = [file for file in files if file.endswith(".npy")]
    found = {part: [file for file in npy if Path(file).name.startswith(word)] for part, word in PARTS.items()}
    return {part: names[0] for part, names in found.items() if names}


def exported(path: str) -> dict[str, object]:
    """Patterns, and amplitude and phase out of the channels of `real` (N, channels, H, W)."""
    with opened_npz(path) as archive:
        archive.header("reciprocal")
        shape = archive.header("real")[0]
    if len(shape) != 4 or shape[1] not in (1, 2):
        raise DataError(f"{path}: real has shape {shape}; (N, 2, H, W) is needed, phase and amplitude")
    both, _ = npz_frames(path, "real")
    channel = np.arange(len(both)) % shape[1]
    frames, _ = npz_frames(path, "reciprocal")
    if shape[1] == 1:
        return {"frames": frames, "phase": both, "notes": ("real has a single channel: the phase, no amplitude",)}
    return {"frames": frames, "amplitude": both.keep(channel == AMPLITUDE), "phase": both.keep(channel == PHASE)}


def from_arrays(files: list[str]) -> dict[str, FrameStream]:
    """Patterns and labels of X_*.npy, Y_I_*.npy and Y_phi_*.npy, (N, H, W, 1)."""
    parts = by_part(files)
    if "frames" not in parts:
        raise DataError(f"{joined_names(files)}: no patterns among them: name X_test.npy, Y_I_test.npy, Y_phi_test.npy")
    unknown = [file for file in files if file not in parts.values()]
    if unknown:
        raise DataError(f"{unknown[0]} is none of X_*.npy, Y_I_*.npy, Y_phi_*.npy; leave it out")
    return {part: npy_frames(file)[0] for part, file in parts.items()}
