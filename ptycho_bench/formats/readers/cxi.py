"""CXI 1.6 and its NeXus form NXcxi_ptycho, also as ptychodus writes it: one file, or patterns and product apart."""

from contextlib import ExitStack
from dataclasses import dataclass

import h5py
import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.hdf5 import dataset, hdf5_frames, is_hdf5, number, opened, optional, unit_of
from ptycho_bench.formats.containers.layout import Layout, probe_modes
from ptycho_bench.formats.containers.links import missing
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.containers.units import (
    beam_energy,
    first_number,
    known,
    length_m,
    square_pixel,
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
HAS_SIGNAL = 0x1000  # the one mask bit that marks no bad pixel


@dataclass(frozen=True, kw_only=True)
class Cxi:
    """CXI files: patterns, the translations of each, geometry, mask; probe and object where they are there.

    Args:
        negate_translation: the stored translation is the specimen's, and it moves against the beam; False: it is
            taken as the beam's, as ptychodus does; True: as CDTools does.
    """

    negate_translation: bool

    def recognises(self, files: list[str]) -> bool:
        """True where a file has patterns or translations by CXI's names."""
        return all(is_hdf5(file) for file in files) and any(has_any(file, (*DATA, *POSITIONS)) for file in files)

    def read(self, files: list[str]) -> RawScan:
        """The scan; see `Reader`."""
        with ExitStack() as stack:
            tree = Tree([stack.enter_context(opened(file)) for file in files])
            frames, raster, notes = tree.frames()
            index = tree.first((f"{EXTRAS}/probe_position_indexes",))
            fields = [tree.positions(self.negate_translation), tree.energy(), tree.distance(), tree.mask()]
            fields += [tree.probe(), tree.object()]
            pixel = square_pixel(*(tree.length(f"{DETECTOR}/{axis}_pixel_size") for axis in "yx"), tree.name)
            found = {name: value for field, _ in fields for name, value in field.items()}
        return RawScan(
            source=joined_names(files),
            format="cxi",
            frames=frames,
            raster=raster,
            position_index=None if index is None else np.asarray(index, np.int64).ravel(),
            detector_pixel_m=pixel,
            notes=(*notes, *(note for _, lines in fields for note in lines)),
            **found,
        )


def has_any(file: str, keys: tuple[str, ...]) -> bool:
    """True where an HDF5 file has one of the keys; a link to nowhere counts."""
    try:
        with h5py.File(file, "r") as handle:
            return any(handle.get(key, getlink=True) is not None for key in keys)
    except (OSError, RuntimeError):
        return False


Found = tuple[dict[str, object], tuple[str, ...]]  # fields of a RawScan, and notes


@dataclass(frozen=True)
class Tree:
    """CXI's names in one file or several: the first that has a name counts.

    Args:
        handles: the open files.
    """

    handles: list[h5py.File]

    @property
    def name(self) -> str:
        """The files, for messages."""
        return joined_names([handle.filename for handle in self.handles])

    def holder(self, keys: tuple[str, ...]) -> tuple[h5py.File, str] | None:
        """File and key of the first key that is there."""
        pairs = ((handle, key) for key in keys for handle in self.handles)
        return next(((handle, key) for handle, key in pairs if optional(handle, key) is not None), None)

    def first(self, keys: tuple[str, ...]) -> np.ndarray | None:
        """Content of the first key that is there."""
        held = self.holder(keys)
        return None if held is None else dataset(*held)[()]

    def length(self, key: str) -> float | None:
        """A length in metres."""
        held = self.holder((key,))
        if held is None:
            return None
        where = f"{held[0].filename}: {key}"
        return known(length_m(first_number(dataset(*held)[()], where), unit=unit_of(dataset(*held)), where=where))

    def frames(self) -> tuple[FrameStream, tuple[int, int] | None, tuple[str, ...]]:
        """Patterns, raster, notes."""
        held = self.holder(DATA)
        if held is None:
            if self.holder((OBJECT,)) is None:
                raise missing(self.handles[0], DATA[0])
            raise DataError(f"{self.name} is a product, its diffraction is missing: name it too, in the same command")
        frames, raster = hdf5_frames(held[0].filename, held[1])
        return frames, raster, (f"patterns from {held[1]}",) if held[1] != DATA[0] else ()

    def positions(self, negate: bool) -> Found:
        """Positions, (row, column), metres, of the first key that has one for each point."""
        for key in POSITIONS:
            held = self.holder((key,))
            data = None if held is None else dataset(*held)
            if data is None or data.ndim < 2:
                continue
            where = f"{held[0].filename}: {key}"
            xyz = points(np.asarray(data[()], np.float64), where) * length_m(1.0, unit=unit_of(data), where=where)
            sign = -1.0 if negate else 1.0
            notes = (
                f"positions from {key}, read as (x, y, z); some writers store (y, x): positions.orientation=swap then",
                f"translation taken as the {'specimen' if negate else 'beam'}'s (format.negate_translation={negate})",
            )
            return {"positions_m": sign * xyz[:, [1, 0]]}, notes
        return {}, ("no translation in the file",)

    def energy(self) -> Found:
        """Beam energy: the beam's with its unit first; the source's is the machine's in NeXus files."""
        held = self.holder((*BEAM_ENERGY, SOURCE_ENERGY))
        if held is not None:
            value = number(*held)
            energy, notes = beam_energy(value, unit=unit_of(dataset(*held)), where=f"{held[0].filename}: {held[1]}")
            return {"energy_ev": energy}, notes
        wavelength = self.length(SOURCE_WAVELENGTH)
        if wavelength is None:
            return {}, ()
        return {"energy_ev": PLANCK_J_S * LIGHT_M_S / ELECTRON_C / wavelength}, (f"energy from {SOURCE_WAVELENGTH}",)

    def distance(self) -> Found:
        """Specimen to detector, also by the z of the detector's corner."""
        distance = self.length(f"{DETECTOR}/distance")
        corner = self.first((f"{DETECTOR}/corner_position",))
        if distance is not None or corner is None:
            return {"distance_m": distance}, ()
        z = known(float(np.asarray(corner, np.float64).ravel()[-1]))
        return {"distance_m": z}, ("distance from the detector's corner_position",)

    def mask(self) -> Found:
        """Bad pixels: any bit but the one that says that there is signal; in any frame, where each has its mask."""
        held = self.holder((f"{DETECTOR}/mask",))
        if held is None:
            return {}, ()
        data = dataset(*held)
        layout = Layout(where=f"{held[0].filename}: {held[1]}", shape=data.shape, dtype=np.dtype(np.uint32))
        bad = np.zeros(layout.frames[1:], bool)
        for index in layout.indices():
            bad |= (layout.block(data[index]) & ~np.uint32(HAS_SIGNAL) != 0).any(axis=0)
        notes = ("a mask for each frame: a pixel bad in one is taken as bad in all",) if layout.frames[0] > 1 else ()
        return {"mask": bad}, notes

    def probe(self) -> Found:
        """Probe of the source, or image_1 where another image is the object."""
        held = self.holder(PROBE if self.holder((OBJECT,)) else PROBE[:1])
        if held is None:
            return {}, ()
        probe, notes = probe_modes(dataset(*held)[()], f"{held[0].filename}: {held[1]}")
        return {"probe": probe}, notes

    def object(self) -> Found:
        """Object in image_2, and its middle where ptychodus wrote it."""
        data = self.first((OBJECT,))
        if data is None:
            return {}, ()
        obj = np.squeeze(data)
        if obj.ndim != 2 or obj.dtype.kind != "c":
            return {}, (f"object of {data.dtype} {data.shape} left out: one complex layer is needed",)
        centre = [self.first((f"{EXTRAS}/object_center_{axis}_m",)) for axis in "yx"]
        lies = None if any(value is None for value in centre) else tuple(map(float, centre))
        found = {"obj": obj, "obj_centre": lies, "pixel_size_m": self.object_pixel(obj.shape)}
        return {**found, "origin": "solved by the file's writer"}, ()

    def object_pixel(self, shape: tuple[int, int]) -> float | None:
        """Side of an object pixel as ptychodus wrote it, or by the image's size."""
        sides = [self.length(f"{EXTRAS}/object_pixel_{side}_m") for side in ("height", "width")]
        size = self.first(("entry_1/image_2/image_size",))
        if None in sides and size is not None and np.size(size) >= 2:
            sides = [known(float(size[1]) / shape[0]), known(float(size[0]) / shape[1])]
        return square_pixel(*sides, self.name)


def points(stored: np.ndarray, where: str) -> np.ndarray:
    """Translations as (N, 2 or 3), also of a raster (rows, columns, 3) and of (3, N)."""
    if stored.shape[-1] in (2, 3):
        return stored.reshape(-1, stored.shape[-1])
    if stored.ndim == 2 and stored.shape[0] in (2, 3):
        return stored.T
    raise DataError(f"{where} has shape {stored.shape}; (N, 3) is needed; name another by format=keys")
