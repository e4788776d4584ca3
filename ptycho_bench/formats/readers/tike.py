"""tike: one .npz or .npz.bz2 with data, scan and probe; patterns have their zero frequency at the corner."""

from dataclasses import dataclass

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.layout import probe_modes
from ptycho_bench.formats.containers.npz import npz_frames, npz_names, opened_npz
from ptycho_bench.formats.raw_scan import RawScan

KEYS = {"data", "scan", "probe"}


@dataclass(frozen=True, kw_only=True)
class Tike:
    """data (1, N, H, W), scan (1, N, 2), row and column in pixels, probe (1, 1, 1, modes, H, W)."""

    def recognises(self, files: list[str]) -> bool:
        """True for a .npz with tike's three names."""
        return len(files) == 1 and npz_names(files[0]) >= KEYS

    def read(self, files: list[str]) -> RawScan:
        """The scan; see `Reader`."""
        if len(files) != 1:
            raise DataError(f"tike keeps a scan in one file, got {len(files)}; name one")
        path = files[0]
        with opened_npz(path) as archive:
            scan, stored = archive.array("scan"), archive.array("probe")
        frames, raster = npz_frames(path, "data")
        if raster is not None:
            raise DataError(f"{path} holds {raster[0]} scans; keep one: data[:1], scan[:1], probe[:1]")
        if scan.shape[-1] != 2 or scan.size % 2:
            raise DataError(f"{path}: scan has shape {scan.shape}; (1, N, 2) is needed, row and column")
        probe, notes = probe_modes(stored, f"{path}: probe")
        return RawScan(
            source=path,
            format="tike",
            frames=frames,
            zero_frequency="corner",
            positions_px=np.asarray(scan, np.float64).reshape(-1, 2),
            probe=probe,
            notes=(*notes, "the file does not say whether its probe is a guess or was solved"),
        )
