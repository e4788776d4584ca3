"""CXI 1.6 and NeXus' NXcxi_ptycho: one file, or separate files for patterns and product, as ptychodus writes them."""

from contextlib import ExitStack
from dataclasses import dataclass

import h5py
import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.hdf5 import (
    find_dataset,
    find_number,
    has_hdf5_signature,
    hdf5_frames,
    open_hdf5,
    require_dataset,
    unit_of,
    whole,
)
from ptycho_bench.formats.containers.layout import Layout, probe_modes
from ptycho_bench.formats.containers.links import is_named, missing_key
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.containers.units import (
    beam_energy,
    length_m,
    none_if_unknown,
    single_number,
    square_pixel_side,
    whole_numbers,
)
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.physics.geometry import ELECTRON_C, LIGHT_M_S, PLANCK_J_S

INSTRUMENT, DETECTOR = "entry_1/instrument_1", "entry_1/instrument_1/detector_1"
DATA = ("entry_1/data_1/data", f"{DETECTOR}/data")
POSITIONS = (
    "entry_1/data_1/translation",
    "entry_1/sample_1/geometry_1/translation",
    f"{DETECTOR}/translation",
)
BEAM_ENERGY = (f"{INSTRUMENT}/beam_1/energy", f"{INSTRUMENT}/beam_1/incident_beam_energy")
BEAM_ENERGY += (f"{INSTRUMENT}/beam_1/incident_energy",)
SOURCE_ENERGY, SOURCE_WAVELENGTH = f"{INSTRUMENT}/source_1/energy", f"{INSTRUMENT}/source_1/wavelength"
PROBE = (f"{INSTRUMENT}/source_1/illumination", "entry_1/image_1/data")
OBJECT, EXTRAS = "entry_1/image_2/data", "entry_1/ptychodus"
HAS_SIGNAL = 0x1000  # the only mask bit that does not mark a bad pixel


@dataclass(frozen=True, kw_only=True)
class Cxi:
    """Reader of CXI files: patterns, translations, geometry and mask, and probe and object if there are any.

    Args:
        negate_translation: False if the stored translation is that of the beam, as in ptychodus; True if it is that of
            the specimen, which moves against the beam, as in CDTools.
    """

    negate_translation: bool

    def recognises(self, files: list[str]) -> bool:
        """Return True if all files are HDF5 and one contains patterns or translations under CXI's names."""
        return all(has_hdf5_signature(file) for file in files) and any(
            has_any(file, (*DATA, *POSITIONS)) for file in files
        )

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, see `Reader`."""
        with ExitStack() as stack:
            cxi = CxiFiles([stack.enter_context(open_hdf5(file)) for file in files])
            frames, raster, notes = cxi.frames()
            index = cxi.first((f"{EXTRAS}/probe_position_indexes",))
            parts = [cxi.positions(self.negate_translation), cxi.energy(), cxi.distance(), cxi.mask()]
            parts += [cxi.probe(), cxi.object()]
            pixel = square_pixel_side(*(cxi.length(f"{DETECTOR}/{axis}_pixel_size") for axis in "yx"), cxi.name)
            found = {name: value for fields, _ in parts for name, value in fields.items()}
        return RawScan(
            source=joined_names(files),
            format="cxi",
            frames=frames,
            raster=raster,
            position_index=None if index is None else whole_numbers(index, joined_names(files)),
            detector_pixel_m=pixel,
            notes=(*notes, *(note for _, lines in parts for note in lines)),
            **found,
        )


def has_any(file: str, keys: tuple[str, ...]) -> bool:
    """Return True if an HDF5 file contains one of the keys, even as a broken link."""
    try:
        with open_hdf5(file) as handle:
            return any(is_named(handle, key) for key in keys)
    except DataError:
        return False


Fields = tuple[dict[str, object], tuple[str, ...]]  # fields of a RawScan, and notes


@dataclass(frozen=True)
class CxiFiles:
    """CXI's names in one or several files; the first file that contains a name is used.

    Args:
        handles: the open files.
    """

    handles: list[h5py.File]

    @property
    def name(self) -> str:
        """Names of the files, for messages."""
        return joined_names([handle.filename for handle in self.handles])

    def locate(self, keys: tuple[str, ...]) -> tuple[h5py.File, str] | None:
        """Return file and key of the first key that exists, or None."""
        pairs = ((handle, key) for key in keys for handle in self.handles)
        return next(((handle, key) for handle, key in pairs if find_dataset(handle, key) is not None), None)

    def first(self, keys: tuple[str, ...]) -> np.ndarray | None:
        """Read the data set of the first key that exists; None if there is none."""
        found = self.locate(keys)
        return None if found is None else whole(require_dataset(*found))

    def length(self, key: str) -> float | None:
        """Return a length in metres, or None if it is unknown."""
        found = self.locate((key,))
        if found is None:
            return None
        data, where = require_dataset(*found), f"{found[0].filename}: {key}"
        return none_if_unknown(length_m(single_number(whole(data), where), unit=unit_of(data), where=where))

    def frames(self) -> tuple[FrameStream, tuple[int, int] | None, tuple[str, ...]]:
        """Return patterns, raster and notes.

        Raises:
            DataError: If there are no patterns.
        """
        found = self.locate(DATA)
        if found is None:
            if self.locate((OBJECT,)) is None:
                raise missing_key(self.handles[0], DATA[0])
            raise DataError(
                f"{self.name} is a product, and its diffraction is missing; name its file in the same command"
            )
        frames, raster = hdf5_frames(found[0].filename, found[1])
        return frames, raster, (f"patterns are read from {found[1]}",) if found[1] != DATA[0] else ()

    def positions(self, negate: bool) -> Fields:
        """Return positions, float64 (N, 2) as (row, column), metres, from the first key with one entry per point."""
        for key in POSITIONS:
            found = self.locate((key,))
            data = None if found is None else require_dataset(*found)
            if data is None or data.ndim < 2:
                continue
            where = f"{found[0].filename}: {key}"
            xyz = as_points(np.asarray(whole(data), np.float64), where) * length_m(1.0, unit=unit_of(data), where=where)
            sign = -1.0 if negate else 1.0
            notes = (
                f"positions are read from {key} as (x, y, z); if the file contains (y, x), set "
                "positions.orientation=swap",
                f"the translation is taken as that of the {'specimen' if negate else 'beam'} "
                f"(format.negate_translation={str(negate).lower()})",
            )
            return {"positions_m": sign * xyz[:, [1, 0]]}, notes
        return {}, ("the file contains no translation",)

    def energy(self) -> Fields:
        """Return the beam energy.

        The beam's own entry takes precedence, because the source's entry is the accelerator's energy in NeXus files.
        """
        found = self.locate((*BEAM_ENERGY, SOURCE_ENERGY))
        if found is not None:
            value, unit = find_number(*found), unit_of(require_dataset(*found))
            energy, notes = beam_energy(value, unit=unit, where=f"{found[0].filename}: {found[1]}")
            return {"energy_ev": energy}, notes
        wavelength = self.length(SOURCE_WAVELENGTH)
        if wavelength is None:
            return {}, ()
        energy = PLANCK_J_S * LIGHT_M_S / ELECTRON_C / wavelength
        return {"energy_ev": energy}, (f"the energy is computed from {SOURCE_WAVELENGTH}",)

    def distance(self) -> Fields:
        """Return the distance from specimen to detector, or else the z of the detector's corner."""
        distance = self.length(f"{DETECTOR}/distance")
        corner = self.first((f"{DETECTOR}/corner_position",))
        if distance is not None or corner is None:
            return {"distance_m": distance}, ()
        z = none_if_unknown(float(np.asarray(corner, np.float64).ravel()[-1]))
        return {"distance_m": z}, ("the distance is read from the detector's corner_position",)

    def mask(self) -> Fields:
        """Return the bad pixels: those with any mask bit except the one for signal, in any frame."""
        found = self.locate((f"{DETECTOR}/mask",))
        if found is None:
            return {}, ()
        data = require_dataset(*found)
        layout = Layout(where=f"{found[0].filename}: {found[1]}", shape=data.shape, dtype=np.dtype(np.uint32))
        bad = np.zeros(layout.frames[1:], bool)
        for index in layout.indices():
            bad |= (layout.block(data[index]) & ~np.uint32(HAS_SIGNAL) != 0).any(axis=0)
        several = ("the file has one mask per frame; a pixel that is bad in one frame is masked in all",)
        return {"mask": bad}, several if layout.frames[0] > 1 else ()

    def probe(self) -> Fields:
        """Return the source's illumination, or else image_1 if another image is the object."""
        found = self.locate(PROBE if self.locate((OBJECT,)) else PROBE[:1])
        if found is None:
            return {}, ()
        probe, notes = probe_modes(whole(require_dataset(*found)), f"{found[0].filename}: {found[1]}")
        return {"probe": probe}, notes

    def object(self) -> Fields:
        """Return the object in image_2, and its middle and pixel if ptychodus wrote them."""
        data = self.first((OBJECT,))
        if data is None:
            return {}, ()
        obj = np.squeeze(data)
        if obj.ndim != 2 or obj.dtype.kind != "c":
            return {}, (f"the object, {data.dtype} {data.shape}, is ignored, because it is not one complex layer",)
        centre = [self.first((f"{EXTRAS}/object_center_{axis}_m",)) for axis in "yx"]
        middle = None if any(value is None for value in centre) else tuple(map(float, centre))
        found = {"obj": obj, "obj_centre": middle, "pixel_size_m": self.object_pixel(obj.shape)}
        return {**found, "origin": "solved by the file's writer"}, ()

    def object_pixel(self, shape: tuple[int, int]) -> float | None:
        """Return the side of an object pixel, metres, from ptychodus' entries or else from the image's size."""
        sides = [self.length(f"{EXTRAS}/object_pixel_{side}_m") for side in ("height", "width")]
        size = self.first(("entry_1/image_2/image_size",))
        if None in sides and size is not None and np.size(size) >= 2:
            sides = [none_if_unknown(float(size[1]) / shape[0]), none_if_unknown(float(size[0]) / shape[1])]
        return square_pixel_side(*sides, self.name)


def as_points(stored: np.ndarray, where: str) -> np.ndarray:
    """Return translations as (N, 2 or 3), also those of a raster (rows, columns, 3) or stored as (3, N).

    Raises:
        DataError: If the array has another shape.
    """
    if stored.shape[-1] in (2, 3):
        return stored.reshape(-1, stored.shape[-1])
    if stored.ndim == 2 and stored.shape[0] in (2, 3):
        return stored.T
    raise DataError(f"{where} has shape {stored.shape}; it must be (N, 3): name another key with format=keys")
