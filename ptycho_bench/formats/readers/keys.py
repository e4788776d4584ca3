"""Any HDF5 or .npz file by its keys: covers the raw files of beamlines; positions may come from a text table."""

from dataclasses import dataclass

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.layout import probe_modes
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.containers.sources import Hdf5Source, NpzSource, frames_of, open_source
from ptycho_bench.formats.containers.table import Positions, in_unit, is_table, read_positions
from ptycho_bench.formats.containers.units import ENERGY_EV, LENGTH_M, beam_energy, known, length_m, plain_unit
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.formats.readers.ptychodus import one_layer

QUANTITIES, CORNERS = ("intensity", "amplitude"), ("centre", "corner")
ARRAYS = ("positions", "positions_y", "positions_x", "position_index", "frame_index", "probe", "object", "mask")


@dataclass(frozen=True, kw_only=True)
class KeyMap:
    """A file by the names of its data sets; null: it has none.

    Args:
        diffraction: (N, H, W) or a raster (rows, columns, H, W); with * several after each other, as
            entry/data/data_*.
        positions: (N, 2), row and column, or (2, N).
        positions_y: (N,) or any shape of N numbers, in place of `positions`.
        positions_x: likewise.
        position_index: which frame each position belongs to.
        frame_index: the frames' own index.
        positions_unit: m, mm, um, nm, A or px; null: as the data set's @units say, else metres.
        swap_axes: positions are column, row.
        flip_y: the row's sign is turned.
        flip_x: the column's.
        probe: complex (modes, H, W).
        object: complex (rows, columns).
        mask: (H, W).
        mask_good_value: what it holds for a good pixel.
        energy: beam energy.
        energy_unit: J, eV or keV; null: as @units say, else by magnitude.
        distance: specimen to detector.
        distance_unit: as `positions_unit`.
        detector_pixel: side of a detector pixel.
        detector_pixel_unit: likewise.
        quantity: intensity or amplitude.
        zero_frequency: centre or corner.
        frames_first: false: diffraction is (H, W, N).
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
    quantity: str
    zero_frequency: str
    frames_first: bool

    def __post_init__(self) -> None:
        for name, allowed in (("quantity", QUANTITIES), ("zero_frequency", CORNERS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"format.{name} must be {' or '.join(allowed)}, got {getattr(self, name)!r}")
        lengths = {"positions_unit": (*LENGTH_M, "px"), "distance_unit": LENGTH_M, "detector_pixel_unit": LENGTH_M}
        for name, known_units in (*lengths.items(), ("energy_unit", ENERGY_EV)):
            unit = getattr(self, name)
            if unit is not None and plain_unit(unit) not in known_units:
                raise ValueError(f"format.{name} must be one of {', '.join(known_units)}, got {unit!r}")
        if (self.positions_y is None) != (self.positions_x is None) or (self.positions and self.positions_y):
            raise ValueError(
                "format.positions, or both positions_y and positions_x, got "
                f"{self.positions!r}, {self.positions_y!r}, {self.positions_x!r}"
            )

    def recognises(self, files: list[str]) -> bool:
        """True where one file has the patterns, and the positions that were named, by their keys."""
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
        """The scan; see `Reader`."""
        tables = [file for file in files if is_table(file)]
        data = [file for file in files if file not in tables]
        if self.diffraction is None:
            raise DataError(
                "format=keys needs the patterns' key: format.diffraction=KEY; ptycho-inspect FILE lists them"
            )
        if len(data) != 1 or len(tables) > 1:
            raise DataError(f"{joined_names(files)}: one HDF5 or .npz file and at most one table of positions are read")
        frames, raster = frames_of(data[0], self.diffraction, frames_first=self.frames_first)
        with open_source(data[0]) as source:
            arrays = {name: source.array(key) for name in ARRAYS if (key := getattr(self, name)) is not None}
            places = (
                read_positions(tables[0], unit=self.positions_unit or "m") if tables else self.places(source, arrays)
            )
            energy, energy_notes = self.beam(source)
            distance = length_of(source, self.distance, self.distance_unit)
            pixel = length_of(source, self.detector_pixel, self.detector_pixel_unit)
        probe, probe_notes = probe_modes(arrays["probe"], data[0]) if "probe" in arrays else (None, ())
        obj, object_notes = one_layer(arrays.get("object"))
        mask = arrays.get("mask")
        return RawScan(
            source=joined_names(files),
            format="keys",
            frames=frames,
            raster=raster,
            quantity=self.quantity,
            zero_frequency=self.zero_frequency,
            positions_m=self.turned(places.metres),
            positions_px=self.turned(places.pixels),
            position_index=places.index if "position_index" not in arrays else whole(arrays["position_index"]),
            frame_index=whole(arrays["frame_index"]) if "frame_index" in arrays else None,
            probe=probe,
            obj=obj,
            mask=None if mask is None else np.squeeze(mask) != self.mask_good_value,
            energy_ev=energy,
            distance_m=distance,
            detector_pixel_m=pixel,
            notes=(*places.notes, *energy_notes, *probe_notes, *object_notes),
        )

    def places(self, source: Hdf5Source | NpzSource, arrays: dict[str, np.ndarray]) -> Positions:
        """Positions by their keys, (row, column) as stored."""
        if self.positions is None and self.positions_y is None:
            return Positions(metres=None, pixels=None, index=None, notes=("no key of positions is named",))
        key = self.positions or self.positions_y
        if self.positions is not None:
            stored = pairs(np.asarray(arrays["positions"], np.float64), f"{source.path}: {key}")
        else:
            y, x = (np.asarray(arrays[name], np.float64).ravel() for name in ("positions_y", "positions_x"))
            if len(y) != len(x):
                raise DataError(f"{source.path}: {len(y)} positions_y, {len(x)} positions_x; they must agree")
            stored = np.stack([y, x], axis=1)
        unit = self.positions_unit or source.unit(key)
        notes = () if unit else (f"{key} has no unit: taken as metres; otherwise format.positions_unit=UNIT",)
        return Positions(index=None, notes=notes, **in_unit(stored, unit or "m", f"{source.path}: {key}"))

    def turned(self, places: np.ndarray | None) -> np.ndarray | None:
        """Positions with axes swapped and signs turned as asked for."""
        if places is None:
            return None
        swapped = places[:, ::-1] if self.swap_axes else places
        return swapped * np.array([-1.0 if self.flip_y else 1.0, -1.0 if self.flip_x else 1.0])

    def beam(self, source: Hdf5Source | NpzSource) -> tuple[float | None, tuple[str, ...]]:
        """Beam energy by its key, and what was decided."""
        if self.energy is None:
            return None, ()
        unit = self.energy_unit or source.unit(self.energy)
        return beam_energy(source.number(self.energy), unit=unit, where=f"{source.path}: {self.energy}")


def pairs(stored: np.ndarray, where: str) -> np.ndarray:
    """Positions as (N, 2), also of (2, N), of (rows, columns, 2), and of (N, 3), whose third column is left out.

    Raises:
        DataError: they are none of these.
    """
    if stored.ndim >= 2 and stored.shape[-1] in (2, 3):
        return stored.reshape(-1, stored.shape[-1])[:, :2]
    if stored.ndim == 2 and stored.shape[0] == 2:
        return stored.T
    raise DataError(f"{where} has shape {stored.shape}; (N, 2) is needed; or name positions_y and positions_x")


def whole(index: np.ndarray) -> np.ndarray:
    """An index as whole numbers."""
    return np.asarray(index).ravel().round().astype(np.int64)


def length_of(source: Hdf5Source | NpzSource, key: str | None, unit: str | None) -> float | None:
    """A length by its key, metres; None where there is none or it is 0."""
    if key is None:
        return None
    where = f"{source.path}: {key}"
    return known(length_m(source.number(key), unit=unit or source.unit(key), where=where))
