"""A scan as another project's file contains it, before it is converted to this project's conventions and units."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ptycho_bench.data.frames import FrameStream


@dataclass(frozen=True, kw_only=True)
class RawScan:
    """One scan as it was stored; None stands for what the file does not contain.

    Args:
        source: the file or files of the scan, for messages.
        format: name of the reader, as in conf/format.
        frames: (N, H, W) patterns as measured, in the file's order.
        quantity: quantity of the frames: intensity or amplitude (its square root).
        zero_frequency: position of the zero frequency in a frame: centre [H // 2, W // 2] or corner [0, 0].
        positions_m: float64 (M, 2), (row, column) of the beam on the specimen, metres.
        positions_px: float64 (M, 2), (row, column) of the beam on the specimen, object pixels, not necessarily whole;
            used if the file has no positions in metres.
        position_index: int (M,), index of the frame that each position belongs to; None if the file has none, in which
            case positions and frames must agree in number and order.
        frame_index: int (N,), index of each frame.
        raster: rows and columns of a raster scan, whose frames are stored row by row.
        probe: complex (modes, H, W).
        obj: complex (rows, columns), the reconstructed specimen, with the pixel size of the probe.
        obj_centre: (row, column) of the middle of the object array, in the unit of the positions.
        amplitude: (N, H, W), modulus of the object under each frame.
        phase: (N, H, W), phase of the object under each frame, radians.
        mask: bool (H, W), True for bad pixels.
        energy_ev: beam energy, electronvolts.
        distance_m: distance from specimen to detector, metres.
        detector_pixel_m: side of a detector pixel, metres.
        pixel_size_m: side of an object pixel, metres.
        origin: who made probe, object, amplitude and phase, for example "solved by ptychodus".
        notes: one line for each decision, dropped item and warning.
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
    """Reader of one format; each file of conf/format builds one."""

    def recognises(self, files: list[str]) -> bool:
        """Return True if the files are of this format; the check is quick and never raises an exception."""

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, except for its frames, which are read later, block by block.

        Raises:
            DataError: If something is missing or wrong; the message is one line that says what to do.
        """
