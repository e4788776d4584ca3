"""py4DSTEM: a data cube of an EMD file, scan rows, scan columns and patterns, with its calibration."""

from dataclasses import dataclass

import h5py

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.hdf5 import hdf5_frames, opened, optional
from ptycho_bench.formats.containers.layout import grid_px
from ptycho_bench.formats.containers.links import missing
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.containers.units import LENGTH_M, first_number, known, plain_unit
from ptycho_bench.formats.raw_scan import RawScan

CUBES = ("datacube_root/datacube/data", "4DSTEM_experiment/data/datacubes/datacube_0/data")
CALIBRATION = ("datacube_root/metadatabundle/calibration", "4DSTEM_experiment/metadata/metadata_0/calibration")


@dataclass(frozen=True, kw_only=True)
class Py4DSTEM:
    """Patterns (rows, columns, H, W); the scan's step and the patterns' pixel from the calibration."""

    def recognises(self, files: list[str]) -> bool:
        """True for a file with a data cube by py4DSTEM's names."""
        try:
            with h5py.File(files[0], "r") as handle:
                return len(files) == 1 and any(key in handle for key in CUBES)
        except (OSError, RuntimeError):
            return False

    def read(self, files: list[str]) -> RawScan:
        """The scan; see `Reader`."""
        if len(files) != 1:
            raise DataError(f"{joined_names(files)}: py4DSTEM keeps a scan in one file; name one")
        with opened(files[0]) as handle:
            key = next((key for key in CUBES if key in handle), None)
            if key is None:
                raise missing(handle, CUBES[0])
            calibration = read_calibration(handle)
        frames, raster = hdf5_frames(files[0], key)
        step, step_notes = scan_step(calibration)
        pixel, pixel_notes = object_pixel(calibration, frames.shape[1])
        known_step = raster is not None and step is not None
        return RawScan(
            source=files[0],
            format="py4dstem",
            frames=frames,
            raster=raster,
            positions_m=grid_px(*raster, step) if known_step else None,
            pixel_size_m=pixel,
            notes=(*step_notes, *pixel_notes, *microscope_notes(calibration)),
        )


Calibration = dict[str, float | str]


def read_calibration(handle: h5py.File) -> Calibration:
    """Numbers and texts of the calibration that are used here."""
    found: Calibration = {}
    names = ("R_pixel_size", "R_pixel_units", "Q_pixel_size", "Q_pixel_units", "QR_rotation", "QR_flip", "voltage")
    for name in names:
        for group in CALIBRATION:
            data = optional(handle, f"{group}/{name}")
            if data is not None and name not in found:
                value = data[()]
                text = value.decode() if isinstance(value, bytes) else value
                found[name] = text if isinstance(text, str) else first_number(text, f"{handle.filename}: {name}")
    return found


def scan_step(calibration: Calibration) -> tuple[float | None, tuple[str, ...]]:
    """Step of the scan in metres, where its unit is a length."""
    size, unit = known(calibration.get("R_pixel_size")), str(calibration.get("R_pixel_units", "pixels"))
    factor = LENGTH_M.get(plain_unit(unit))
    if size is None or factor is None:
        return None, (f"scan step not calibrated (R_pixel_units {unit!r}): give positions.step_m=STEP",)
    return size * factor, ()


def object_pixel(calibration: Calibration, side_px: int) -> tuple[float | None, tuple[str, ...]]:
    """Object pixel in metres that the patterns' pixel gives, where its unit is the inverse of a length."""
    size, unit = known(calibration.get("Q_pixel_size")), str(calibration.get("Q_pixel_units", "pixels"))
    factor = LENGTH_M.get(plain_unit(unit.removesuffix("^-1"))) if unit.endswith("^-1") else None
    if size is None or factor is None:
        return None, (f"patterns not calibrated in 1/length (Q_pixel_units {unit!r}): give geometry.pixel_size_m=SIZE",)
    return factor / (side_px * size), ()


def microscope_notes(calibration: Calibration) -> tuple[str, ...]:
    """What the calibration says that is not applied."""
    notes = ()
    if calibration.get("QR_rotation"):
        notes += (f"QR_rotation {calibration['QR_rotation']:g} (QR_flip {calibration.get('QR_flip', 0)}): not applied",)
    if calibration.get("voltage"):
        volts = calibration["voltage"]
        notes += (f"electrons of {volts:g} V: give geometry.beam=electrons geometry.energy_ev={volts:g}",)
    return notes
