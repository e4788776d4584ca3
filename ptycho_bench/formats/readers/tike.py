"""tike: one .npz or .npz.bz2 with data, scan and probe; the zero frequency of the patterns is at the corner."""

from dataclasses import dataclass

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.layout import probe_modes
from ptycho_bench.formats.containers.npz import npz_frames, npz_names, open_npz
from ptycho_bench.formats.raw_scan import RawScan

KEYS = {"data", "scan", "probe"}


@dataclass(frozen=True, kw_only=True)
class Tike:
    """Reader of data (1, N, H, W), scan (1, N, 2), row and column in pixels, and probe (1, 1, 1, modes, H, W)."""

    def recognises(self, files: list[str]) -> bool:
        """Return True for an .npz with tike's three names."""
        return len(files) == 1 and npz_names(files[0]) >= KEYS

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, see `Reader`."""
        if len(files) != 1:
            raise DataError(f"tike stores a scan in one file, got {len(files)} files; name one")
        path = files[0]
        with open_npz(path) as archive:
            scan, stored = archive.array("scan"), archive.array("probe")
        frames, raster = npz_frames(path, "data")
        if raster is not None:
            raise DataError(f"{path} contains {raster[0]} scans; save one only: data[:1], scan[:1], probe[:1]")
        if scan.shape[-1] != 2 or scan.size % 2:
            raise DataError(f"{path}: scan has shape {scan.shape}; it must be (1, N, 2), row and column: save it again")
        probe, notes = probe_modes(stored, f"{path}: probe")
        return RawScan(
            source=path,
            format="tike",
            frames=frames,
            zero_frequency="corner",
            positions_px=np.asarray(scan, np.float64).reshape(-1, 2),
            probe=probe,
            notes=(*notes, "the file does not say whether its probe is a guess or a result"),
        )
