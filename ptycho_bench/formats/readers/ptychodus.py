"""ptychodus: a product (positions, probe, object) and its diffraction, in two files; PtychoViT's pairs alike."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.layout import probe_modes
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.containers.sources import frames_of, names_of, open_source
from ptycho_bench.formats.containers.units import beam_energy, first_number, known, square_pixel
from ptycho_bench.formats.raw_scan import RawScan

PATTERNS = ("patterns", "dp")
SMALL = ("probe_position_indexes", "probe_position_x_m", "probe_position_y_m", "probe", "object")
SCALARS = ("probe_energy_eV", "detector_object_distance_m")
OBJECT = ("object_pixel_height_m", "object_pixel_width_m", "object_center_y_m", "object_center_x_m")
SIBLINGS = {"_dp.hdf5": "_para.hdf5", "_para.hdf5": "_dp.hdf5"}


@dataclass(frozen=True, kw_only=True)
class Ptychodus:
    """A product .h5 or .npz and a diffraction .h5 or .npz, in either order; or NAME_dp.hdf5 and NAME_para.hdf5."""

    def recognises(self, files: list[str]) -> bool:
        """True where positions, or patterns with their index or their sibling, have ptychodus' names."""
        there = [names_of(file) for file in with_sibling(files)]
        positions = any("probe_position_x_m" in keys for keys in there)
        patterns = any({"patterns", "indexes"} <= keys for keys in there)
        return (positions or patterns) and all(there)

    def read(self, files: list[str]) -> RawScan:
        """The scan; see `Reader`."""
        files = with_sibling(files)
        there = {file: keys_of(file) for file in files}
        product = first_with(there, ("probe_position_x_m",))
        patterns = first_with(there, PATTERNS)
        if patterns is None:
            raise DataError(
                f"{joined_names(files)} is a product: diffraction missing: name its file too, after this one"
            )
        if product is None:
            raise DataError(f"{joined_names(files)} has patterns, no positions: name the product's file too")
        key = next(name for name in PATTERNS if name in there[patterns])
        return RawScan(
            source=joined_names(files),
            format="ptychodus",
            **diffraction(patterns, key),
            **product_fields(read_product(product), product),
        )


def with_sibling(files: list[str]) -> list[str]:
    """Files with the other one of a NAME_dp.hdf5, NAME_para.hdf5 pair where only one is named."""
    if len(files) != 1:
        return files
    for ending, other in SIBLINGS.items():
        if files[0].endswith(ending) and Path(files[0].removesuffix(ending) + other).is_file():
            return [files[0], files[0].removesuffix(ending) + other]
    return files


def keys_of(file: str) -> frozenset[str]:
    """Names at a file's root; DataError where it cannot be read."""
    with open_source(file):
        return names_of(file)


def first_with(there: dict[str, frozenset[str]], keys: tuple[str, ...]) -> str | None:
    """First file that has one of the keys."""
    return next((file for file, names in there.items() if any(key in names for key in keys)), None)


def diffraction(file: str, key: str) -> dict[str, object]:
    """Frames, their index, bad pixels and detector pixel of a diffraction file."""
    frames, raster = frames_of(file, key)
    with open_source(file) as source:
        index, bad = (source.array(name) if source.has(name) else None for name in ("indexes", "bad_pixels"))
        stated = source.attributes(key)
    sides = [stated.get(f"detector_pixel_{side}_m") for side in ("height", "width")]
    return {
        "frames": frames,
        "raster": raster,
        "frame_index": None if index is None else np.asarray(index, np.int64).ravel(),
        "mask": None if bad is None else np.squeeze(bad) != 0,
        "detector_pixel_m": square_pixel(*(None if side is None else float(side) for side in sides), file),
    }


def read_product(file: str) -> dict[str, np.ndarray]:
    """A product's arrays and numbers by the flat names of its .npz form."""
    with open_source(file) as source:
        flat = {name: source.array(name) for name in (*SMALL, *SCALARS, *OBJECT) if source.has(name)}
        flat |= {name: value for name, value in source.attributes("").items() if name in SCALARS}
        stated = source.attributes("object") if "object" in flat else {}
        return flat | {f"object_{name}": value for name, value in stated.items() if f"object_{name}" in OBJECT}


def product_fields(flat: dict[str, np.ndarray], file: str) -> dict[str, object]:
    """A product as fields of a RawScan."""
    if "probe_position_y_m" not in flat:
        raise DataError(f"{file} has probe_position_x_m, but no probe_position_y_m; both are needed")
    numbers = {name: first_number(flat[name], f"{file}: {name}") for name in (*SCALARS, *OBJECT) if name in flat}
    y, x = (np.asarray(flat[f"probe_position_{axis}_m"], np.float64).ravel() for axis in "yx")
    if len(y) != len(x):
        raise DataError(f"{file} has {len(x)} x and {len(y)} y positions; both are needed for each point")
    index, index_notes = joining_index(flat.get("probe_position_indexes"), len(y))
    energy, energy_notes = beam_energy(numbers.get(SCALARS[0]), unit="eV", where=f"{file}: {SCALARS[0]}")
    probe, probe_notes = (None, ()) if "probe" not in flat else probe_modes(flat["probe"], file)
    obj, obj_notes = one_layer(flat.get("object"))
    sides = (numbers.get("object_pixel_height_m"), numbers.get("object_pixel_width_m"))
    centre = tuple(numbers.get(f"object_center_{axis}_m", 0.0) for axis in "yx")
    return {
        "positions_m": np.stack([y, x], axis=1),
        "position_index": index,
        "probe": probe,
        "obj": obj,
        "obj_centre": None if obj is None else centre,
        "energy_ev": energy,
        "distance_m": known(numbers.get(SCALARS[1])),
        "pixel_size_m": square_pixel(*sides, file),
        "origin": "solved by ptychodus" if obj is not None else "imported",
        "notes": (*index_notes, *energy_notes, *probe_notes, *obj_notes),
    }


def joining_index(stored: np.ndarray | None, count: int) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Index of each position; one that is the same throughout joins nothing and is dropped."""
    if stored is None:
        return None, ()
    index = np.asarray(stored).astype(np.int64).ravel()
    if len(index) != count or (count > 1 and (index == index[0]).all()):
        return None, (f"probe_position_indexes, {len(index)} for {count} positions, says nothing and is left out",)
    return index, ()


def one_layer(stored: np.ndarray | None) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Object (rows, columns) of a single layer; a constant one is a placeholder and left out."""
    if stored is None:
        return None, ()
    obj = np.asarray(stored)
    if obj.ndim == 3 and len(obj) == 1:
        obj = obj[0]
    if obj.ndim != 2 or obj.dtype.kind != "c" or not obj.size:
        return None, (f"object of {obj.dtype} {obj.shape} left out: one complex layer is needed",)
    if (obj == obj.flat[0]).all():
        return None, (f"the object is {obj.flat[0]:g} throughout, a placeholder: left out",)
    return obj, ()
