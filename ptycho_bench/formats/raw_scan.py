"""What a file of another project says of a scan, before it is brought into this project's frame and units."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ptycho_bench.data.frames import FrameStream


@dataclass(frozen=True, kw_only=True)
class RawScan:
    """One scan as it was stored; None: the file does not say.

    Args:
        source: file or files it comes from, for messages.
        format: name of the reader, as in conf/format.
        frames: (N, H, W) patterns as measured, in the file's order.
        quantity: of the frames: intensity or amplitude (its square root).
        zero_frequency: where the frames have it: centre [H // 2, W // 2] or corner [0, 0].
        positions_m: float64 (M, 2), (row, column) of the beam on the specimen, metres.
        positions_px: likewise in object pixels, where the file has no metres; fractions allowed.
        position_index: int (M,), which frame each position belongs to, by the frames' own index; None: the file has
            none, so that number and order must agree.
        frame_index: int (N,), the frames' own index.
        raster: rows and columns of a raster scan, row by row in the order of the frames.
        probe: complex (modes, H, W).
        obj: complex (rows, columns), the specimen as somebody reconstructed it, pixels as the probe's.
        obj_centre: (row, column) in the positions' unit of the middle of the object array.
        amplitude: (N, H, W) modulus of the object under each frame.
        phase: (N, H, W), radians.
        mask: bool (H, W), True = bad pixel.
        energy_ev: beam energy.
        distance_m: specimen to detector.
        detector_pixel_m: side of a detector pixel.
        pixel_size_m: side of an object pixel.
        origin: who made probe, object, amplitude and phase, as "solved by ptychodus".
        notes: what was dropped, decided or is in doubt; one line each.
    """

    source: str
    format: str
    frames: FrameStream
    quantity: str = "intensity"
    zero_frequency: str = "centre"
    positions_m: np.ndarray | None = None
    positions_px: np.ndarray | None = None
    position_index: np.ndarray | None = None
    frame_index: np.ndarray | None = None
    raster: tuple[int, int] | None = None
    probe: np.ndarray | None = None
    obj: np.ndarray | None = None
    obj_centre: tuple[float, float] | None = None
    amplitude: FrameStream | None = None
    phase: FrameStream | None = None
    mask: np.ndarray | None = None
    energy_ev: float | None = None
    distance_m: float | None = None
    detector_pixel_m: float | None = None
    pixel_size_m: float | None = None
    origin: str = "imported"
    notes: tuple[str, ...] = ()


class Reader(Protocol):
    """One format; each file of conf/format builds one."""

    def recognises(self, files: list[str]) -> bool:
        """True where these files are of this format; a quick look, never an exception."""

    def read(self, files: list[str]) -> RawScan:
        """The scan; its frames are read later, block by block.

        Raises:
            DataError: what is missing or wrong, in one line with the way out.
        """
