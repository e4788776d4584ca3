"""ptypy: prepared data (.ptyd), whose chunks are in the file or linked, and optionally a reconstruction (.ptyr)."""

from dataclasses import dataclass

import h5py
import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.hdf5 import (
    find_dataset,
    find_number,
    has_hdf5_signature,
    hdf5_frames,
    open_hdf5,
    require_dataset,
    whole,
)
from ptycho_bench.formats.containers.layout import Layout, concatenate_streams, probe_modes
from ptycho_bench.formats.containers.links import find_node, missing_key
from ptycho_bench.formats.containers.paths import joined_names, natural_key
from ptycho_bench.formats.containers.units import beam_energy, none_if_unknown, square_pixel_side, whole_numbers
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.formats.readers.ptychodus import single_layer

MAX_LISTED = 8


@dataclass(frozen=True, kw_only=True)
class Ptypy:
    """Reader of a .ptyd file with patterns and positions, and optionally a .ptyr file with probe and object."""

    def recognises(self, files: list[str]) -> bool:
        """Return True if every file contains chunks or a reconstruction under ptypy's names."""
        return bool(files) and all(has_hdf5_signature(file) and (is_data(file) or is_result(file)) for file in files)

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, see `Reader`."""
        results = [file for file in files if is_result(file)]
        data = [file for file in files if file not in results]
        if not data:
            raise DataError(
                f"{joined_names(files)} is a ptypy result with probe and object only; name the .ptyd file too"
            )
        if len(data) > 1 or len(results) > 1:
            raise DataError(f"{joined_names(files)}: name one .ptyd file and at most one .ptyr file at a time")
        with open_hdf5(data[0]) as handle:
            chunks = chunk_keys(handle)
            meta, meta_notes = read_geometry(handle)
            index, positions, position_notes = indices_and_positions(handle, chunks)
            mask, mask_notes = bad_pixels(handle, chunks)
        result, result_notes = read_reconstruction(results[0]) if results else ({}, ())
        parts = [hdf5_frames(data[0], f"{chunk}/data")[0] for chunk in chunks]
        return RawScan(
            source=joined_names(files),
            format="ptypy",
            frames=concatenate_streams(parts, data[0]),
            positions_m=positions,
            position_index=index,
            frame_index=index,
            mask=mask,
            notes=(*meta_notes, *position_notes, *mask_notes, *result_notes),
            **meta,
            **result,
        )


def is_data(file: str) -> bool:
    """Return True for a file with ptypy's chunks."""
    return has_group(file, "chunks")


def is_result(file: str) -> bool:
    """Return True for a file with ptypy's reconstruction."""
    return has_group(file, "content/obj") or has_group(file, "content/probe")


def has_group(file: str, key: str) -> bool:
    """Return True if an HDF5 file contains this group; False if the file cannot be read."""
    try:
        with open_hdf5(file) as handle:
            return isinstance(find_node(handle, key), h5py.Group)
    except DataError:
        return False


def chunk_keys(handle: h5py.File) -> list[str]:
    """Return the keys of the chunks in natural order.

    Raises:
        DataError: If the file contains no chunks.
    """
    chunks = find_node(handle, "chunks")
    if not isinstance(chunks, h5py.Group) or not len(chunks):
        raise missing_key(handle, "chunks/0/data")
    return [f"chunks/{name}" for name in sorted(chunks, key=natural_key)]


def read_geometry(handle: h5py.File) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Read energy (keV in the file), distance and detector pixel of a .ptyd file."""
    value, where = find_number(handle, "meta/energy"), f"{handle.filename}: meta/energy"
    energy, notes = beam_energy(value, unit="keV", where=where)
    psize = find_dataset(handle, "meta/psize")
    sides = np.broadcast_to(np.ravel(np.nan if psize is None else whole(psize)), 2).astype(np.float64)
    pixel = square_pixel_side(*map(float, sides), f"{handle.filename}: meta/psize")
    distance = none_if_unknown(find_number(handle, "meta/distance"))
    return {"energy_ev": energy, "distance_m": distance, "detector_pixel_m": pixel}, notes


def indices_and_positions(
    handle: h5py.File, chunks: list[str]
) -> tuple[np.ndarray | None, np.ndarray | None, tuple[str, ...]]:
    """Return index, int64 (N,), and position, float64 (N, 2), of each frame, and a note on indices that are missing."""
    indices = [find_dataset(handle, f"{chunk}/indices") for chunk in chunks]
    stored = [find_dataset(handle, f"{chunk}/positions") for chunk in chunks]
    index = None
    if None not in indices:
        index = whole_numbers(
            np.concatenate([np.ravel(whole(part)) for part in indices]), f"{handle.filename}: indices"
        )
    if any(part is None or part.dtype.kind not in "fiu" for part in stored):
        return index, None, ("the chunks contain no positions",)
    positions = np.concatenate([np.asarray(whole(part), np.float64).reshape(-1, 2) for part in stored])
    return index, positions, () if index is None else skipped_frames(index)


def skipped_frames(index: np.ndarray) -> tuple[str, ...]:
    """Return a note on the frames from 0 to the largest index that are not in the file, if there are any."""
    present = np.unique(index[index >= 0])
    skipped = int(present[-1]) + 1 - len(present) if len(present) else 0
    if not skipped:
        return ()
    first = np.setdiff1d(np.arange(len(present) + MAX_LISTED), present)[: min(skipped, MAX_LISTED)]
    listed = ", ".join(map(str, first)) + (" ..." if skipped > MAX_LISTED else "")
    return (f"{skipped} frames of the scan are not in the file: {listed}",)


def bad_pixels(handle: h5py.File, chunks: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the pixels whose weight is 0 in some frame; ptypy's weights combine mask and flat field."""
    keys = [f"{chunk}/weights" for chunk in chunks] + ["meta/weight2d", "info/weight2d"]
    found = [data for key in keys if (data := find_dataset(handle, key)) is not None and data.ndim >= 2 and data.size]
    if not found:
        return None, ()
    bad, lowest, highest = None, np.inf, 0.0
    for data in found:
        layout = Layout(where=f"{handle.filename}: {data.name}", shape=data.shape, dtype=np.dtype(np.float32))
        for index in layout.indices():
            weights = layout.block(np.asarray(data[index], np.float32))
            zero = weights <= 0
            bad = zero.any(axis=0) if bad is None else bad | zero.any(axis=0)
            positive = weights[~zero]
            lowest, highest = min(lowest, positive.min(initial=np.inf)), max(highest, positive.max(initial=0.0))
    flat = lowest < 0.999 * highest
    return bad, (f"the weights, {lowest:g} to {highest:g}, contain a flat field, which is not applied",) if flat else ()


def read_reconstruction(file: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """Read probe and object of a .ptyr file, and the place of the object, as fields of a `RawScan`."""
    with open_hdf5(file) as handle:
        probe_key, object_key = (single_storage(handle, kind) for kind in ("probe", "obj"))
        fields, notes = {}, ()
        if probe_key is not None:
            stored = whole(require_dataset(handle, f"{probe_key}/data"))
            fields["probe"], notes = probe_modes(stored, f"{file}: {probe_key}")
        if object_key is None:
            return fields, notes
        obj, object_notes = single_layer(whole(require_dataset(handle, f"{object_key}/data")))
        psize, origin = (find_dataset(handle, f"{object_key}/_{name}") for name in ("psize", "origin"))
        if obj is not None and psize is not None:
            sides = np.broadcast_to(np.ravel(whole(psize)), 2).astype(np.float64)
            fields["pixel_size_m"] = square_pixel_side(*map(float, sides), f"{file}: {object_key}/_psize")
            if origin is not None:  # position of the first pixel
                middle = np.ravel(whole(origin))[:2] + sides * np.array(obj.shape) / 2
                fields["obj_centre"] = tuple(map(float, middle))
        made_by = {} if obj is None else {"origin": "solved by ptypy"}
        return {**fields, "obj": obj, **made_by}, (*notes, *object_notes)


def single_storage(handle: h5py.File, kind: str) -> str | None:
    """Return the key of the only storage of a kind (probe, obj), or None if there is none.

    Raises:
        DataError: If there are several storages.
    """
    group = find_node(handle, f"content/{kind}")
    if not isinstance(group, h5py.Group) or not len(group):
        return None
    if len(group) > 1:
        raise DataError(
            f"{handle.filename} has {len(group)} storages of {kind}: {', '.join(group)}; save the result of one scan"
        )
    return f"content/{kind}/{next(iter(group))}"
