"""ptypy: prepared data (.ptyd), its chunks in the file or linked, with a reconstruction (.ptyr) beside it or not."""

from dataclasses import dataclass

import h5py
import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.hdf5 import dataset, hdf5_frames, is_hdf5, number, opened, optional
from ptycho_bench.formats.containers.layout import Layout, chain, probe_modes
from ptycho_bench.formats.containers.links import find, missing
from ptycho_bench.formats.containers.paths import joined_names, natural_key
from ptycho_bench.formats.containers.units import beam_energy, known, square_pixel
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.formats.readers.ptychodus import one_layer

MOST_LISTED = 8


@dataclass(frozen=True, kw_only=True)
class Ptypy:
    """A .ptyd file of patterns and positions, and, where named too, a .ptyr file of probe and object."""

    def recognises(self, files: list[str]) -> bool:
        """True where a file has chunks, or a reconstruction, by ptypy's names."""
        return bool(files) and all(is_hdf5(file) and (is_data(file) or is_result(file)) for file in files)

    def read(self, files: list[str]) -> RawScan:
        """The scan; see `Reader`."""
        results = [file for file in files if is_result(file)]
        data = [file for file in files if file not in results]
        if not data:
            raise DataError(f"{joined_names(files)} is a ptypy result: probe and object only; name the .ptyd file too")
        if len(data) > 1 or len(results) > 1:
            raise DataError(f"{joined_names(files)}: one .ptyd file and at most one .ptyr are read at a time")
        with opened(data[0]) as handle:
            chunks = chunk_keys(handle)
            meta, meta_notes = geometry(handle)
            index, positions, gaps = per_point(handle, chunks)
            mask, mask_notes = bad_pixels(handle, chunks)
        result, result_notes = reconstruction(results[0]) if results else ({}, ())
        parts = [hdf5_frames(data[0], f"{chunk}/data")[0] for chunk in chunks]
        return RawScan(
            source=joined_names(files),
            format="ptypy",
            frames=chain(parts, data[0]),
            positions_m=positions,
            position_index=index,
            frame_index=index,
            mask=mask,
            notes=(*meta_notes, *gaps, *mask_notes, *result_notes),
            **meta,
            **result,
        )


def is_data(file: str) -> bool:
    """True for a file with ptypy's chunks."""
    return has_group(file, "chunks")


def is_result(file: str) -> bool:
    """True for a file with ptypy's reconstruction."""
    return has_group(file, "content/obj") or has_group(file, "content/probe")


def has_group(file: str, key: str) -> bool:
    """True where an HDF5 file has this group; never an error."""
    try:
        with h5py.File(file, "r") as handle:
            return isinstance(handle.get(key), h5py.Group)
    except (OSError, RuntimeError):
        return False


def chunk_keys(handle: h5py.File) -> list[str]:
    """Keys of the chunks, in their order.

    Raises:
        DataError: there are none.
    """
    chunks = find(handle, "chunks")
    if not isinstance(chunks, h5py.Group) or not len(chunks):
        raise missing(handle, "chunks/0/data")
    return [f"chunks/{name}" for name in sorted(chunks, key=natural_key)]


def geometry(handle: h5py.File) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Energy (keV in the file), distance and detector pixel of a .ptyd file."""
    energy, notes = beam_energy(number(handle, "meta/energy"), unit="keV", where=f"{handle.filename}: meta/energy")
    psize = optional(handle, "meta/psize")
    sides = np.broadcast_to(np.ravel(np.nan if psize is None else psize[()]), 2).astype(np.float64)
    pixel = square_pixel(*map(float, sides), f"{handle.filename}: meta/psize")
    return {"energy_ev": energy, "distance_m": known(number(handle, "meta/distance")), "detector_pixel_m": pixel}, notes


def per_point(handle: h5py.File, chunks: list[str]) -> tuple[np.ndarray | None, np.ndarray | None, tuple[str, ...]]:
    """Index and position of each frame, chunk by chunk, and which indices the file skips."""
    indices = [optional(handle, f"{chunk}/indices") for chunk in chunks]
    places = [optional(handle, f"{chunk}/positions") for chunk in chunks]
    index = None if None in indices else np.concatenate([np.ravel(part[()]) for part in indices]).astype(np.int64)
    if any(part is None or part.dtype.kind not in "fiu" for part in places):
        return index, None, ("no positions in the chunks",)
    positions = np.concatenate([np.asarray(part[()], np.float64).reshape(-1, 2) for part in places])
    skipped = [] if index is None else sorted(set(range(index.max() + 1)) - set(index.tolist()))
    listed = ", ".join(map(str, skipped[:MOST_LISTED])) + (" ..." if len(skipped) > MOST_LISTED else "")
    return index, positions, (f"{len(skipped)} frames of the scan are not in the file: {listed}",) if skipped else ()


def bad_pixels(handle: h5py.File, chunks: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Pixels whose weight is 0 in some frame: ptypy's weights are mask and flat field in one."""
    keys = [f"{chunk}/weights" for chunk in chunks] + ["meta/weight2d", "info/weight2d"]
    found = [data for key in keys if (data := optional(handle, key)) is not None and data.ndim >= 2 and data.size]
    if not found:
        return None, ()
    bad, lowest, highest = None, np.inf, 0.0
    for data in found:
        layout = Layout(where=f"{handle.filename}: {data.name}", shape=data.shape, dtype=np.dtype(np.float32))
        for place in layout.indices():
            weights = layout.block(np.asarray(data[place], np.float32))
            wrong = weights <= 0
            bad = wrong.any(axis=0) if bad is None else bad | wrong.any(axis=0)
            seen = weights[~wrong]
            lowest, highest = min(lowest, seen.min(initial=np.inf)), max(highest, seen.max(initial=0.0))
    flat = lowest < 0.999 * highest
    return bad, (f"weights from {lowest:g} to {highest:g}, a flat field: not applied",) if flat else ()


def reconstruction(file: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """Probe and object of a .ptyr file, and where the object lies."""
    with opened(file) as handle:
        probe_key, object_key = (storage(handle, kind) for kind in ("probe", "obj"))
        fields, notes = {}, ()
        if probe_key is not None:
            fields["probe"], notes = probe_modes(dataset(handle, f"{probe_key}/data")[()], f"{file}: {probe_key}")
        if object_key is None:
            return fields, notes
        obj, object_notes = one_layer(dataset(handle, f"{object_key}/data")[()])
        psize, origin = (optional(handle, f"{object_key}/_{name}") for name in ("psize", "origin"))
        if obj is not None and psize is not None:
            sides = np.broadcast_to(np.ravel(psize[()]), 2).astype(np.float64)
            fields["pixel_size_m"] = square_pixel(*map(float, sides), f"{file}: {object_key}/_psize")
            if origin is not None:  # of the first pixel
                middle = np.ravel(origin[()])[:2] + sides * np.array(obj.shape) / 2
                fields["obj_centre"] = tuple(map(float, middle))
        origin_text = {} if obj is None else {"origin": "solved by ptypy"}
        return {**fields, "obj": obj, **origin_text}, (*notes, *object_notes)


def storage(handle: h5py.File, kind: str) -> str | None:
    """Key of the first storage of a kind (probe, obj); None: there is none.

    Raises:
        DataError: several, so that one must be chosen.
    """
    group = find(handle, f"content/{kind}")
    if not isinstance(group, h5py.Group) or not len(group):
        return None
    if len(group) > 1:
        raise DataError(f"{handle.filename} has {len(group)} {kind}s: {', '.join(group)}; one scan is read at a time")
    return f"content/{kind}/{next(iter(group))}"
