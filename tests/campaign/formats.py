"""Small correct files of other programs, and the command lines that read them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

JOULE = 1.602176634e-19
RASTER = 5
POINTS, SIDE_PX = RASTER**2, 16


def counts() -> np.ndarray:
    """Return uint16 patterns (25, 16, 16)."""
    return np.random.default_rng(0).poisson(20.0, (POINTS, SIDE_PX, SIDE_PX)).astype(np.uint16)


def places() -> np.ndarray:
    """Return positions (25, 2) as (y, x) on a raster with a step of 1 um and jitter, metres."""
    grid = np.stack(np.meshgrid(np.arange(RASTER), np.arange(RASTER), indexing="ij"), axis=-1).reshape(-1, 2)
    return (grid + np.random.default_rng(1).uniform(-0.1, 0.1, grid.shape)) * 1e-6


def wave(*shape: int) -> np.ndarray:
    """Return complex64 noise."""
    rng = np.random.default_rng(2)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def write_beamline(path: Path) -> None:
    """Write a CXI file of a beamline."""
    import h5py

    with h5py.File(path, "w") as handle:
        handle["cxi_version"] = 160
        entry = handle.create_group("entry_1")
        entry["data_1/data"] = counts()
        entry["data_1/translation"] = np.stack([places()[:, 1], places()[:, 0], np.zeros(POINTS)], axis=1)
        entry["instrument_1/source_1/energy"] = 8800.0 * JOULE
        entry["instrument_1/detector_1/distance"] = 2.0
        entry["instrument_1/detector_1/x_pixel_size"] = 55e-6
        entry["instrument_1/detector_1/y_pixel_size"] = 55e-6
        entry["instrument_1/source_1/illumination"] = wave(1, SIDE_PX, SIDE_PX)


def write_ptychodus(path: Path) -> None:
    """Write a product of ptychodus, and its patterns to diffraction.h5 beside it."""
    import h5py

    with h5py.File(path, "w") as handle:
        handle.attrs.update({"probe_energy_eV": 8800.0, "detector_object_distance_m": 2.0, "name": "scan"})
        handle["probe"] = wave(1, SIDE_PX, SIDE_PX)
        handle["probe_position_y_m"], handle["probe_position_x_m"] = places().T
        handle["probe_position_indexes"] = np.arange(POINTS)
    with h5py.File(path.with_name("diffraction.h5"), "w") as handle:
        handle["patterns"], handle["indexes"] = counts(), np.arange(POINTS)
        handle["patterns"].attrs.update(detector_pixel_height_m=55e-6, detector_pixel_width_m=55e-6)


def write_ptypy(path: Path) -> None:
    """Write prepared data of ptypy."""
    import h5py

    with h5py.File(path, "w") as handle:
        handle["meta/energy"], handle["meta/distance"], handle["meta/psize"] = 8.8, 2.0, [55e-6, 55e-6]
        chunk = handle.create_group("chunks/0")
        chunk["data"], chunk["positions"], chunk["indices"] = counts(), places(), np.arange(POINTS)
        chunk["weights"] = np.zeros(0)


def write_npz(path: Path) -> None:
    """Write a file of PtychoPINN."""
    y, x = places().T * 5e6
    np.savez(path, xcoords=x, ycoords=y, diff3d=counts(), probeGuess=wave(SIDE_PX, SIDE_PX))


def write_npy(path: Path) -> None:
    """Write test patterns of PtychoNN, and their labels beside them."""
    label = np.random.default_rng(3).random((POINTS, SIDE_PX, SIDE_PX, 1))
    np.save(path, counts()[..., None].astype(np.float64))
    np.save(path.with_name("Y_I_test.npy"), label)
    np.save(path.with_name("Y_phi_test.npy"), label)


def write_tiff(path: Path) -> None:
    """Write a stack of images, and the positions to places.csv beside it."""
    import tifffile

    tifffile.imwrite(path, counts())
    write_csv(path.with_name("places.csv"))


def write_csv(path: Path) -> None:
    """Write a table of positions."""
    path.write_text("y_um,x_um\n" + "".join(f"{y * 1e6:.6f},{x * 1e6:.6f}\n" for y, x in places()))


def write_table(path: Path) -> None:
    """Write a table of positions, and the images to stack.tif beside it."""
    write_tiff(path.with_name("stack.tif"))
    write_csv(path)


def write_matlab(path: Path) -> None:
    """Write a MATLAB file of version 7.3, which is HDF5 after 512 bytes."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as handle:
        handle["data"], handle["positions"] = counts(), places()
    header = b"MATLAB 7.3 MAT-file, created by MATLAB".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(header)


KEYS = ("format=keys", "format.diffraction=data", "format.positions=positions")
PIXEL = "geometry.pixel_size_m=2e-7"


@dataclass(frozen=True)
class Foreign:
    """A format of another program.

    Args:
        file: name of the file that is damaged.
        write: writes a correct one.
        words: command line of ptycho-import and ptycho-inspect that reads it.
    """

    file: str
    write: Callable[[Path], None]
    words: tuple[str, ...]


FOREIGN = {
    "cxi": Foreign("in.cxi", write_beamline, ("in.cxi",)),
    "ptychodus": Foreign("product.h5", write_ptychodus, ("product.h5", "diffraction.h5")),
    "ptypy": Foreign("in.ptyd", write_ptypy, ("in.ptyd",)),
    "npz": Foreign("in.npz", write_npz, ("in.npz",)),
    "npy": Foreign(
        "X_test.npy", write_npy,
        ("X_test.npy", "Y_I_test.npy", "Y_phi_test.npy", "positions.raster=[5,5]", "positions.step_px=5"),
    ),
    "tiff": Foreign("in.tif", write_tiff, ("in.tif", "places.csv", PIXEL)),
    "csv": Foreign("places.csv", write_table, ("stack.tif", "places.csv", PIXEL)),
    "matlab": Foreign("in.mat", write_matlab, ("in.mat", *KEYS, PIXEL)),
}  # fmt: skip
