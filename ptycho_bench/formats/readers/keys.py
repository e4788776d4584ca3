"""Any HDF5 or .npz file by its keys, for example raw files of beamlines; positions may come from a text table."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.layout import probe_modes
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.containers.sources import Hdf5Source, NpzSource, open_source, source_frames
from ptycho_bench.formats.containers.table import Positions, is_table, positions_in_unit, read_positions
from ptycho_bench.formats.containers.units import (
    ENERGY_EV,
    LENGTH_M,
    beam_energy,
    length_m,
    none_if_unknown,
    normalise_unit,
    whole_numbers,
)
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.formats.readers.ptychodus import single_layer

QUANTITIES, CORNERS = ("intensity", "amplitude"), ("centre", "corner")
ARRAYS = ("positions", "positions_y", "positions_x", "position_index", "frame_index", "probe", "object", "mask")


@dataclass(frozen=True, kw_only=True)
class KeyMap:
    """Reader of a file whose keys are named; null for what the file does not contain.

    Args:
        diffraction: key of the patterns, (N, H, W) or a raster (rows, columns, H, W); a * in its last name joins all
            data sets that match, for example entry/data/data_*.
        positions: key of the positions, (N, 2) as (row, column), or (2, N).
        positions_y: key of the rows, (N,) or any shape of N numbers; replaces `positions` together with `positions_x`.
        positions_x: key of the columns, (N,) or any shape of N numbers.
        position_index: key of the index of the frame that each position belongs to.
        frame_index: key of the index of each frame.
        positions_unit: m, mm, um, nm, A or px; null to use the data set's attribute `units`, or else metres.
        swap_axes: True if positions are stored as (column, row).
        flip_y: True to change the sign of the rows.
        flip_x: True to change the sign of the columns.
        probe: key of the probe, complex (modes, H, W).
        object: key of the object, complex (rows, columns).
        mask: key of the mask, (H, W).
        mask_good_value: value of a good pixel in the mask.
        energy: key of the beam energy.
        energy_unit: J, eV or keV; null to use the data set's attribute `units`, or else the magnitude.
        distance: key of the distance from specimen to detector.
        distance_unit: m, cm, mm, um, nm, A or pm; null to use the data set's attribute `units`, or else metres.
        detector_pixel: key of the side of a detector pixel.
        detector_pixel_unit: m, cm, mm, um, nm, A or pm; null to use the data set's attribute `units`, or else metres.
        quantity: intensity or amplitude.
        zero_frequency: centre or corner.
        frames_first: False if diffraction is (H, W, N).
    """

    diffraction: str | None
    positions: str | None
    positions_y: str | None
    positions_x: str | None
    position_index: str | None
    frame_index: str | None
    positions_unit: str | None
    swap_axes: bool
    flip_y: bool
    flip_x: bool
    probe: str | None
    object: str | None
    mask: str | None
    mask_good_value: float
    energy: str | None
    energy_unit: str | None
    distance: str | None
    distance_unit: str | None
    detector_pixel: str | None
    detector_pixel_unit: str | None
    quantity: Literal["intensity", "amplitude"]
    zero_frequency: Literal["centre", "corner"]
    frames_first: bool

    def __post_init__(self) -> None:
        for name, allowed in (("quantity", QUANTITIES), ("zero_frequency", CORNERS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"format.{name} must be {' or '.join(allowed)}, got {getattr(self, name)!r}")
        lengths = {"positions_unit": (*LENGTH_M, "px"), "distance_unit": LENGTH_M, "detector_pixel_unit": LENGTH_M}
        for name, known_units in (*lengths.items(), ("energy_unit", ENERGY_EV)):
            unit = getattr(self, name)
            if unit is not None and normalise_unit(unit) not in known_units:
                raise ValueError(f"format.{name} must be one of {', '.join(known_units)}, got {unit!r}")
        if (self.positions_y is None) != (self.positions_x is None) or (self.positions and self.positions_y):
            raise ValueError(
                "set either format.positions, or both format.positions_y and format.positions_x; got "
                f"{self.positions!r}, {self.positions_y!r} and {self.positions_x!r}"
            )

    def recognises(self, files: list[str]) -> bool:
        """Return True if one file contains the named keys of patterns and positions."""
        data = [file for file in files if not is_table(file)]
        if self.diffraction is None or len(data) != 1:
            return False
        named = [key for key in (self.diffraction, self.positions, self.positions_y) if key is not None]
        try:
            with open_source(data[0]) as source:
                return len(named) > 1 and all(source.has(key) for key in named)
        except DataError:
            return False

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, see `Reader`."""
        file, table = self.split_files(files)
        frames, raster = source_frames(file, self.diffraction, frames_first=self.frames_first)
        with open_source(file) as source:
            arrays = {name: source.array(key) for name in ARRAYS if (key := getattr(self, name)) is not None}
            if table is not None:
                positions = read_positions(table, unit=self.positions_unit or "m")
            else:
                positions = self.stored_positions(source, arrays)
            energy, energy_notes = self.read_energy(source)
            distance = read_length(source, self.distance, self.distance_unit)
            pixel = read_length(source, self.detector_pixel, self.detector_pixel_unit)
        probe, probe_notes = probe_modes(arrays["probe"], file) if "probe" in arrays else (None, ())
        obj, object_notes = single_layer(arrays.get("object"))
        mask = arrays.get("mask")
        return RawScan(
            source=joined_names(files),
            format="keys",
            frames=frames,
            raster=raster,
            quantity=self.quantity,
            zero_frequency=self.zero_frequency,
            positions_m=self.oriented(positions.metres),
            positions_px=self.oriented(positions.pixels),
            position_index=index_of(arrays, "position_index", file) if self.position_index else positions.index,
            frame_index=index_of(arrays, "frame_index", file),
            probe=probe,
            obj=obj,
            mask=None if mask is None else np.squeeze(mask) != self.mask_good_value,
            energy_ev=energy,
            distance_m=distance,
            detector_pixel_m=pixel,
            notes=(*positions.notes, *energy_notes, *probe_notes, *object_notes),
        )

    def split_files(self, files: list[str]) -> tuple[str, str | None]:
        """Return the file with the keys, and the table of positions or None.

        Raises:
            DataError: If the key of the patterns is not named, or there are too few or too many files.
        """
        tables = [file for file in files if is_table(file)]
        data = [file for file in files if file not in tables]
        if self.diffraction is None:
            raise DataError(
                "format=keys needs the key of the patterns: set format.diffraction=KEY; ptycho-inspect FILE lists them"
            )
        if len(data) != 1 or len(tables) > 1:
            raise DataError(f"{joined_names(files)}: name one HDF5 or .npz file and at most one table of positions")
        return data[0], next(iter(tables), None)

    def stored_positions(self, source: Hdf5Source | NpzSource, arrays: dict[str, np.ndarray]) -> Positions:
        """Return the positions of the named keys, (row, column) as stored."""
        if self.positions is None and self.positions_y is None:
            return Positions(metres=None, pixels=None, index=None, notes=("no key of positions is named",))
        key = self.positions or self.positions_y
        if self.positions is not None:
            stored = as_pairs(np.asarray(arrays["positions"], np.float64), f"{source.path}: {key}")
        else:
            y, x = (np.asarray(arrays[name], np.float64).ravel() for name in ("positions_y", "positions_x"))
            if len(y) != len(x):
                raise DataError(
                    f"{source.path}: {len(y)} positions_y, but {len(x)} positions_x; name keys of equal length"
                )
            stored = np.stack([y, x], axis=1)
        unit = self.positions_unit or source.unit(key)
        notes = () if unit else (f"{key} has no unit and is taken as metres; otherwise set format.positions_unit=UNIT",)
        return Positions(index=None, notes=notes, **positions_in_unit(stored, unit or "m", f"{source.path}: {key}"))

    def oriented(self, positions: np.ndarray | None) -> np.ndarray | None:
        """Return positions with axes swapped and signs changed as requested."""
        if positions is None:
            return None
        swapped = positions[:, ::-1] if self.swap_axes else positions
        return swapped * np.array([-1.0 if self.flip_y else 1.0, -1.0 if self.flip_x else 1.0])

    def read_energy(self, source: Hdf5Source | NpzSource) -> tuple[float | None, tuple[str, ...]]:
        """Return the beam energy in electronvolts, and notes on what was decided."""
        if self.energy is None:
            return None, ()
        unit = self.energy_unit or source.unit(self.energy)
        return beam_energy(source.number(self.energy), unit=unit, where=f"{source.path}: {self.energy}")


def index_of(arrays: dict[str, np.ndarray], name: str, file: str) -> np.ndarray | None:
    """Return an index as int64 (N,), or None if its key is not named."""
    return whole_numbers(arrays[name], f"{file}: {name}") if name in arrays else None


def as_pairs(stored: np.ndarray, where: str) -> np.ndarray:
    """Return positions as (N, 2), also those stored as (2, N), (rows, columns, 2), or (N, 3) with an unused column.

    Raises:
        DataError: If the array has another shape.
    """
    if stored.ndim >= 2 and stored.shape[-1] in (2, 3):
        return stored.reshape(-1, stored.shape[-1])[:, :2]
    if stored.ndim == 2 and stored.shape[0] == 2:
        return stored.T
    raise DataError(
        f"{where} has shape {stored.shape}; it must be (N, 2): name another key, or positions_y and positions_x"
    )


def read_length(source: Hdf5Source | NpzSource, key: str | None, unit: str | None) -> float | None:
    """Return the length of a key in metres; None if the key is None or the length is unknown."""
    if key is None:
        return None
    where = f"{source.path}: {key}"
    return none_if_unknown(length_m(source.number(key), unit=unit or source.unit(key), where=where))
