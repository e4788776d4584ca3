"""What lies in a file, a line for each array: name, shape, type, unit, how it is packed."""

from pathlib import Path

import h5py
import numpy as np

from ptycho_bench.formats.containers.filters import FILTER_NAMES
from ptycho_bench.formats.containers.hdf5 import is_hdf5, opened, unit_of
from ptycho_bench.formats.containers.npz import NPZ_SUFFIXES, open_npy, opened_npz
from ptycho_bench.formats.containers.paths import require_file, suffix_of
from ptycho_bench.formats.containers.table import is_table, rows_of
from ptycho_bench.formats.readers.tiff import is_tiff, layout_of

MOST_LINES = 200
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", **FILTER_NAMES}


def tree(path: str) -> list[str]:
    """Lines that describe a file's arrays; a kind without inner structure gives one.

    Raises:
        DataError: the file is missing, empty or damaged.
    """
    suffix = suffix_of(path)
    if is_hdf5(path):
        with opened(path) as handle:
            lines = [*attributes(handle, ""), *group_lines(handle, "")]
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
    return lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], f"... and {len(lines) - MOST_LINES} more"]


def attributes(node: h5py.Group | h5py.Dataset, indent: str) -> list[str]:
    """Attributes of a node but its unit, short ones with their value."""
    lines = []
    for name, value in node.attrs.items():
        if name not in ("unit", "units"):
            text = "unknown" if isinstance(value, h5py.Empty) else str(value)
            lines.append(f"{indent}@{name} = {text if len(text) <= 60 else text[:57] + '...'}")
    return lines


def group_lines(group: h5py.Group, indent: str) -> list[str]:
    """Lines of a group's members; links are named, not followed."""
    lines = []
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            found = (Path(group.file.filename).parent / link.filename).is_file()
            lines.append(f"{indent}{name} -> {link.filename}:{link.path}{'' if found else ' (missing)'}")
        elif isinstance(link, h5py.SoftLink):
            lines.append(f"{indent}{name} -> {link.path}")
        elif isinstance(group[name], h5py.Group):
            lines += [
                f"{indent}{name}/",
                *attributes(group[name], indent + "  "),
                *group_lines(group[name], indent + "  "),
            ]
        else:
            lines += [f"{indent}{name}  {packing(group[name])}", *attributes(group[name], indent + "  ")]
    return lines


def packing(data: h5py.Dataset) -> str:
    """Type, shape, unit, chunks and filters of a data set; of a single number its value."""
    if data.shape is None:
        return "empty"
    if data.shape == () and data.dtype.kind != "V":
        value = data[()]
        value = value.decode(errors="replace") if isinstance(value, bytes) else value
        text = f"= {value}"
    else:
        text = f"{data.dtype} {data.shape}"
    unit = unit_of(data)
    text += f" [{unit}]" if unit else ""
    created = data.id.get_create_plist()
    codes = [created.get_filter(place)[0] for place in range(created.get_nfilters())]
    text += f", chunks {data.chunks}" if data.chunks else ""
    for code in codes:
        installed = h5py.h5z.filter_avail(code)
        text += f", {FILTERS.get(code, f'filter {code}')}{'' if installed else ' (hdf5plugin needed)'}"
    return text


def npz_lines(path: str) -> list[str]:
    """Lines of a .npz file's members, from their headers."""
    lines = []
    with opened_npz(path) as archive:
        for name in archive.members:
            shape, fortran, dtype = archive.header(name)
            lines.append(f"{name}  {np.dtype(dtype)} {shape}{', Fortran order' if fortran else ''}")
    return lines


def table_line(path: str) -> str:
    """Rows and columns of a text table, and its header where it has one."""
    header, rows = rows_of(path)
    named = f": {', '.join(header)}" if header else ", no header"
    return f"{len(rows)} rows x {len(rows[0]) if rows else 0} columns{named}"
