"""PtychoNN's training files: patterns with their amplitude and phase, but without positions and units."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.npz import npy_frames, npz_frames, npz_names, open_npz
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.raw_scan import RawScan

PHASE, AMPLITUDE = 0, 1  # channels of `real`
PREFIXES = {"frames": "X_", "amplitude": "Y_I_", "phase": "Y_phi_"}


@dataclass(frozen=True, kw_only=True)
class PtychoNNReader:
    """Reader of an exported .npz with reciprocal and real, or of X_NAME.npy, Y_I_NAME.npy and Y_phi_NAME.npy."""

    def recognises(self, files: list[str]) -> bool:
        """Return True for an .npz with these names, or an X_*.npy file with its labels."""
        if len(files) == 1 and npz_names(files[0]) >= {"reciprocal", "real"}:
            return True
        found = files_by_prefix(files)
        return "frames" in found and len(found) == len(files) > 1

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, see `Reader`."""
        fields = read_export(files[0]) if files[0].endswith(".npz") else read_arrays(files)
        notes = fields.pop("notes", ())
        missing = "the files contain no positions; describe a raster with positions.raster=[rows,columns] "
        missing += "positions.step_px=STEP"
        return RawScan(source=joined_names(files), format="ptychonn", notes=(*notes, missing), **fields)


def files_by_prefix(files: list[str]) -> dict[str, str]:
    """Return the .npy file of each field of a `RawScan`, by the prefix of its name."""
    npy = [file for file in files if file.endswith(".npy")]
    found = {field: [file for file in npy if Path(file).name.startswith(word)] for field, word in PREFIXES.items()}
    return {field: names[0] for field, names in found.items() if names}


def read_export(path: str) -> dict[str, object]:
    """Read patterns, and amplitude and phase from the channels of `real` (N, channels, H, W)."""
    with open_npz(path) as archive:
        archive.header("reciprocal")
        shape = archive.header("real")[0]
    if len(shape) != 4 or shape[1] not in (1, 2):
        raise DataError(f"{path}: real has shape {shape}; it must be (N, 2, H, W), with phase and amplitude")
    both, _ = npz_frames(path, "real")
    channel = np.arange(len(both)) % shape[1]
    frames, _ = npz_frames(path, "reciprocal")
    if shape[1] == 1:
        return {"frames": frames, "phase": both, "notes": ("real has one channel, the phase, and no amplitude",)}
    return {"frames": frames, "amplitude": both.keep(channel == AMPLITUDE), "phase": both.keep(channel == PHASE)}


def read_arrays(files: list[str]) -> dict[str, FrameStream]:
    """Read patterns and labels of X_*.npy, Y_I_*.npy and Y_phi_*.npy, (N, H, W, 1)."""
    found = files_by_prefix(files)
    if "frames" not in found:
        raise DataError(
            f"{joined_names(files)}: no file contains patterns; name X_test.npy, Y_I_test.npy and Y_phi_test.npy"
        )
    unknown = [file for file in files if file not in found.values()]
    if unknown:
        raise DataError(f"{unknown[0]} is not one of X_*.npy, Y_I_*.npy and Y_phi_*.npy; leave it out")
    return {field: npy_frames(file)[0] for field, file in found.items()}
