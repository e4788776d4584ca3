"""Contents of a file, one line for each array: name, shape, dtype, unit and compression."""

import math
from pathlib import Path

import h5py
import numpy as np

from ptycho_bench.formats.containers.filters import FILTER_NAMES
from ptycho_bench.formats.containers.hdf5 import has_hdf5_signature, open_hdf5, unit_of
from ptycho_bench.formats.containers.links import members
from ptycho_bench.formats.containers.npz import NPZ_SUFFIXES, open_npy, open_npz
from ptycho_bench.formats.containers.paths import require_file, suffix_of
from ptycho_bench.formats.containers.table import is_table, read_rows
from ptycho_bench.formats.readers.tiff import is_tiff, layout_of

MAX_LINES, MAX_MEMBERS, MAX_INDENT = 200, 10_000, 20
LONGEST = 2**16  # bytes of an attribute or a scalar that is shown
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", **FILTER_NAMES}


def tree(path: str) -> list[str]:
    """Return lines that describe the arrays of a file; a file without inner structure has one line.

    Raises:
        DataError: If the file is missing, empty or damaged.
    """
    suffix = suffix_of(path)
    if has_hdf5_signature(path):
        with open_hdf5(path) as handle:
            lines = [*attribute_lines(handle, ""), *group_lines(handle)]
    elif suffix in NPZ_SUFFIXES:
        lines = npz_lines(path)
    elif suffix == ".npy":
        array = open_npy(path)
        lines = [f"{array.dtype} {array.shape}"]
    elif is_tiff(path):
        layout = layout_of(path)
        lines = [f"{layout.dtype} {layout.shape}"]
    elif is_table(path):
        lines = [table_line(path)]
    else:
        lines = [f"{require_file(path).stat().st_size:,} bytes"]
    return lines if len(lines) <= MAX_LINES else [*lines[:MAX_LINES], f"... and {len(lines) - MAX_LINES} more"]


def attribute_lines(node: h5py.Group | h5py.Dataset, indent: str) -> list[str]:
    """Return one line for each attribute of a node except its unit; long values are cut."""
    lines = []
    for name in node.attrs:
        stored = node.attrs.get_id(name)
        if name in ("unit", "units"):
            continue
        if math.prod(stored.shape or ()) * stored.dtype.itemsize > LONGEST:
            text = f"{stored.dtype} {stored.shape}"
        else:
            value = node.attrs[name]
            text = "unknown" if isinstance(value, h5py.Empty) else cut(str(value))
        lines.append(f"{indent}@{name} = {text}")
    return lines


def cut(text: str) -> str:
    """Return a text in one line, cut to 60 letters."""
    line = " ".join(text[:200].split())
    return line if len(line) <= 60 and len(text) <= 200 else f"{line[:57]}..."


def group_lines(handle: h5py.File) -> list[str]:
    """Return the lines of a file's members, each group once; links are listed but not followed."""
    lines, found = [], members(handle, MAX_MEMBERS)
    for number, (path, link) in enumerate(found):
        if len(lines) > MAX_LINES:
            return [*lines, *("" for _ in found[number:])]  # counted, not described
        indent, name = "  " * min(path.count("/"), MAX_INDENT), path.rpartition("/")[2]
        if isinstance(link, h5py.ExternalLink):
            present = (Path(handle.filename).parent / link.filename).is_file()
            lines.append(f"{indent}{name} -> {link.filename}:{link.path}{'' if present else ' (missing)'}")
        elif isinstance(link, h5py.SoftLink):
            lines.append(f"{indent}{name} -> {link.path}")
        else:
            node = handle[path]
            described = f"  {describe_dataset(node)}" if isinstance(node, h5py.Dataset) else "/"
            lines += [f"{indent}{name}{described}", *attribute_lines(node, indent + "  ")]
    return lines


def describe_dataset(data: h5py.Dataset) -> str:
    """Return dtype and shape of a data set, or the value of a scalar, and its unit, chunks and filters."""
    if data.shape is None:
        return "empty"
    if data.external:
        return f"{data.dtype} {data.shape} in the raw file {data.external[0][0]}, which is not read"
    if data.shape == () and data.dtype.kind != "V" and not data.is_virtual and data.dtype.itemsize < LONGEST:
        value = data[()]
        text = f"= {cut(value.decode(errors='replace') if isinstance(value, bytes) else str(value))}"
    else:
        text = f"{data.dtype} {data.shape}"
    unit = unit_of(data)
    text += f" [{unit}]" if unit else ""
    created = data.id.get_create_plist()
    codes = [created.get_filter(number)[0] for number in range(created.get_nfilters())]
    text += f", chunks {data.chunks}" if data.chunks else ""
    for code in codes:
        installed = h5py.h5z.filter_avail(code)
        text += f", {FILTERS.get(code, f'filter {code}')}{'' if installed else ' (hdf5plugin needed)'}"
    return text


def npz_lines(path: str) -> list[str]:
    """Return the lines of a .npz file's members; only their headers are read."""
    lines = []
    with open_npz(path) as archive:
        for name in archive.members:
            shape, fortran, dtype = archive.header(name)
            lines.append(f"{name}  {np.dtype(dtype)} {shape}{', Fortran order' if fortran else ''}")
    return lines


def table_line(path: str) -> str:
    """Return the number of rows and columns of a text table, and its header if it has one."""
    header, rows = read_rows(path)
    named = f": {', '.join(header)}" if header else ", no header"
    return f"{len(rows)} rows x {len(rows[0]) if rows else 0} columns{named}"
