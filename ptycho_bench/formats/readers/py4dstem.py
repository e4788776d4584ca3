"""py4DSTEM: the data cube of an EMD file (scan rows, scan columns, H, W), with its calibration."""

from dataclasses import dataclass

import h5py

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.hdf5 import find_dataset, hdf5_frames, open_hdf5, whole
from ptycho_bench.formats.containers.layout import raster_positions
from ptycho_bench.formats.containers.links import is_named, missing_key
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.containers.units import LENGTH_M, none_if_unknown, normalise_unit, single_number
from ptycho_bench.formats.raw_scan import RawScan

CUBES = ("datacube_root/datacube/data", "4DSTEM_experiment/data/datacubes/datacube_0/data")
CALIBRATION = ("datacube_root/metadatabundle/calibration", "4DSTEM_experiment/metadata/metadata_0/calibration")


@dataclass(frozen=True, kw_only=True)
class Py4DSTEM:
    """Reader of patterns (rows, columns, H, W); the calibration gives the step of the scan and the object pixel."""

    def recognises(self, files: list[str]) -> bool:
        """Return True for a file with a data cube under py4DSTEM's names."""
        try:
            with open_hdf5(files[0]) as handle:
                return len(files) == 1 and any(is_named(handle, key) for key in CUBES)
        except DataError:
            return False

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, see `Reader`."""
        if len(files) != 1:
            raise DataError(f"{joined_names(files)}: py4DSTEM stores a scan in one file; name one")
        with open_hdf5(files[0]) as handle:
            key = next((key for key in CUBES if is_named(handle, key)), None)
            if key is None:
                raise missing_key(handle, CUBES[0])
            calibration = read_calibration(handle)
        frames, raster = hdf5_frames(files[0], key)
        step, step_notes = scan_step(calibration)
        pixel, pixel_notes = pixel_from_calibration(calibration, frames.shape[1])
        known_step = raster is not None and step is not None
        return RawScan(
            source=files[0],
            format="py4dstem",
            frames=frames,
            raster=raster,
            positions_m=raster_positions(*raster, step) if known_step else None,
            pixel_size_m=pixel,
            notes=(*step_notes, *pixel_notes, *microscope_notes(calibration)),
        )


Calibration = dict[str, float | str]


def read_calibration(handle: h5py.File) -> Calibration:
    """Read the numbers and texts of the calibration that are used here."""
    found: Calibration = {}
    names = ("R_pixel_size", "R_pixel_units", "Q_pixel_size", "Q_pixel_units", "QR_rotation", "QR_flip", "voltage")
    for name in names:
        for group in CALIBRATION:
            data = find_dataset(handle, f"{group}/{name}")
            if data is not None and name not in found:
                value = whole(data)
                text = value.decode(errors="replace") if isinstance(value, bytes) else value
                found[name] = text if isinstance(text, str) else single_number(text, f"{handle.filename}: {name}")
    return found


def scan_step(calibration: Calibration) -> tuple[float | None, tuple[str, ...]]:
    """Return the step of the scan in metres, or None and a note if it is not calibrated in a unit of length."""
    size, unit = none_if_unknown(calibration.get("R_pixel_size")), str(calibration.get("R_pixel_units", "pixels"))
    factor = LENGTH_M.get(normalise_unit(unit))
    if size is None or factor is None:
        return None, (f"the scan step is not calibrated (R_pixel_units is {unit!r}); set positions.step_m=STEP",)
    return size * factor, ()


def pixel_from_calibration(calibration: Calibration, side_px: int) -> tuple[float | None, tuple[str, ...]]:
    """Return the object pixel in metres, or None and a note if patterns are not calibrated in 1/length."""
    size, unit = none_if_unknown(calibration.get("Q_pixel_size")), str(calibration.get("Q_pixel_units", "pixels"))
    factor = LENGTH_M.get(normalise_unit(unit.removesuffix("^-1"))) if unit.endswith("^-1") else None
    if size is None or factor is None:
        note = f"patterns are not calibrated in 1/length (Q_pixel_units is {unit!r}); set geometry.pixel_size_m=SIZE"
        return None, (note,)
    return factor / (side_px * size), ()


def microscope_notes(calibration: Calibration) -> tuple[str, ...]:
    """Return notes on calibration values that are not applied."""
    notes = ()
    if calibration.get("QR_rotation"):
        rotation, flip = calibration["QR_rotation"], calibration.get("QR_flip", 0)
        notes += (f"QR_rotation {rotation:g} (QR_flip {flip}) is not applied",)
    if calibration.get("voltage"):
        volts = calibration["voltage"]
        notes += (f"the beam is electrons at {volts:g} V; set geometry.beam=electrons geometry.energy_ev={volts:g}",)
    return notes
