"""ptychodus: a product (positions, probe, object) and its diffraction in two files; also PtychoViT's pairs of files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.layout import probe_modes
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.containers.sources import open_source, root_names, source_frames
from ptycho_bench.formats.containers.units import (
    beam_energy,
    none_if_unknown,
    single_number,
    square_pixel_side,
    whole_numbers,
)
from ptycho_bench.formats.raw_scan import RawScan

PATTERNS = ("patterns", "dp")
ARRAYS = ("probe_position_indexes", "probe_position_x_m", "probe_position_y_m", "probe", "object")
SCALARS = ("probe_energy_eV", "detector_object_distance_m")
OBJECT = ("object_pixel_height_m", "object_pixel_width_m", "object_center_y_m", "object_center_x_m")
SIBLINGS = {"_dp.hdf5": "_para.hdf5", "_para.hdf5": "_dp.hdf5"}


@dataclass(frozen=True, kw_only=True)
class Ptychodus:
    """Reader of a product and a diffraction file (.h5 or .npz) in either order, or of NAME_dp and NAME_para.hdf5."""

    def recognises(self, files: list[str]) -> bool:
        """Return True if positions, or patterns and their index, have ptychodus' names, and no file is unreadable."""
        names = [root_names(file) for file in with_sibling(files)]
        positions = any("probe_position_x_m" in keys for keys in names)
        patterns = any({"patterns", "indexes"} <= keys for keys in names)
        return (positions or patterns) and all(names)

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, see `Reader`."""
        files = with_sibling(files)
        names = {file: require_root_names(file) for file in files}
        product = first_file_with(names, ("probe_position_x_m",))
        patterns = first_file_with(names, PATTERNS)
        if patterns is None:
            raise DataError(f"{joined_names(files)} is a product, and its diffraction is missing; name that file too")
        if product is None:
            raise DataError(f"{joined_names(files)} contains patterns but no positions; name the product's file too")
        key = next(name for name in PATTERNS if name in names[patterns])
        return RawScan(
            source=joined_names(files),
            format="ptychodus",
            **diffraction_fields(patterns, key),
            **product_fields(read_product(product), product),
        )


def with_sibling(files: list[str]) -> list[str]:
    """Return the files; if only one of a pair NAME_dp.hdf5, NAME_para.hdf5 is named, add the other if it exists."""
    if len(files) != 1:
        return files
    for ending, other in SIBLINGS.items():
        if files[0].endswith(ending) and Path(files[0].removesuffix(ending) + other).is_file():
            return [files[0], files[0].removesuffix(ending) + other]
    return files


def require_root_names(file: str) -> frozenset[str]:
    """Return the names at a file's root.

    Raises:
        DataError: If the file cannot be read.
    """
    with open_source(file):
        return root_names(file)


def first_file_with(names: dict[str, frozenset[str]], keys: tuple[str, ...]) -> str | None:
    """Return the first file that contains one of the keys, or None."""
    return next((file for file, there in names.items() if any(key in there for key in keys)), None)


def diffraction_fields(file: str, key: str) -> dict[str, object]:
    """Return frames, their index, bad pixels and detector pixel of a diffraction file as fields of a `RawScan`."""
    frames, raster = source_frames(file, key)
    with open_source(file) as source:
        index, bad = (source.array(name) if source.has(name) else None for name in ("indexes", "bad_pixels"))
        attributes = source.attributes(key)
    stored = [attributes.get(f"detector_pixel_{side}_m") for side in ("height", "width")]
    sides = [None if side is None else single_number(side, f"{file}: detector_pixel") for side in stored]
    return {
        "frames": frames,
        "raster": raster,
        "frame_index": None if index is None else whole_numbers(index, f"{file}: indexes"),
        "mask": None if bad is None else np.squeeze(bad) != 0,
        "detector_pixel_m": square_pixel_side(*sides, file),
    }


def read_product(file: str) -> dict[str, np.ndarray]:
    """Read the arrays and numbers of a product, under the flat names of its .npz form."""
    with open_source(file) as source:
        flat = {name: source.array(name) for name in (*ARRAYS, *SCALARS, *OBJECT) if source.has(name)}
        flat |= {name: value for name, value in source.attributes("").items() if name in SCALARS}
        attributes = source.attributes("object") if "object" in flat else {}
        return flat | {f"object_{name}": value for name, value in attributes.items() if f"object_{name}" in OBJECT}


def product_fields(flat: dict[str, np.ndarray], file: str) -> dict[str, object]:
    """Return a product, under its flat names, as fields of a `RawScan`.

    Raises:
        DataError: If the y positions are missing, or their number differs from that of the x positions.
    """
    if "probe_position_y_m" not in flat:
        raise DataError(f"{file} has probe_position_x_m but no probe_position_y_m; both are needed: export it again")
    numbers = {name: single_number(flat[name], f"{file}: {name}") for name in (*SCALARS, *OBJECT) if name in flat}
    y, x = (np.asarray(flat[f"probe_position_{axis}_m"], np.float64).ravel() for axis in "yx")
    if len(y) != len(x):
        raise DataError(f"{file} has {len(x)} x and {len(y)} y positions; each point needs both: export it again")
    index, index_notes = joining_index(flat.get("probe_position_indexes"), len(y))
    energy, energy_notes = beam_energy(numbers.get(SCALARS[0]), unit="eV", where=f"{file}: {SCALARS[0]}")
    probe, probe_notes = (None, ()) if "probe" not in flat else probe_modes(flat["probe"], file)
    obj, obj_notes = single_layer(flat.get("object"))
    sides = (numbers.get("object_pixel_height_m"), numbers.get("object_pixel_width_m"))
    centre = tuple(numbers.get(f"object_center_{axis}_m", 0.0) for axis in "yx")
    return {
        "positions_m": np.stack([y, x], axis=1),
        "position_index": index,
        "probe": probe,
        "obj": obj,
        "obj_centre": None if obj is None else centre,
        "energy_ev": energy,
        "distance_m": none_if_unknown(numbers.get(SCALARS[1])),
        "pixel_size_m": square_pixel_side(*sides, file),
        "origin": "solved by ptychodus" if obj is not None else "imported",
        "notes": (*index_notes, *energy_notes, *probe_notes, *obj_notes),
    }


def joining_index(stored: np.ndarray | None, count: int) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the index of each position and notes; an index that is constant or of another length is ignored."""
    if stored is None:
        return None, ()
    index = whole_numbers(stored, "probe_position_indexes")
    if len(index) != count or (count > 1 and (index == index[0]).all()):
        note = f"probe_position_indexes is ignored, because its {len(index)} entries do not index {count} positions"
        return None, (note,)
    return index, ()


def single_layer(stored: np.ndarray | None) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return an object of one layer as (rows, columns), and notes; a constant object is a placeholder and ignored."""
    if stored is None:
        return None, ()
    obj = np.asarray(stored)
    if obj.ndim == 3 and len(obj) == 1:
        obj = obj[0]
    if obj.ndim != 2 or obj.dtype.kind != "c" or not obj.size:
        return None, (f"the object, {obj.dtype} {obj.shape}, is ignored, because it is not one complex layer",)
    if (obj == obj.flat[0]).all():
        return None, (f"the object is {obj.flat[0]:g} everywhere; it is ignored as a placeholder",)
    return obj, ()
