"""Every file that is read where a user names some: those of a pair, and those that HDF5 files lead to."""

import re
from collections.abc import Iterator
from glob import escape, glob
from pathlib import Path

import h5py

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.hdf5 import is_hdf5, opened
from ptycho_bench.formats.containers.links import DEEPEST, part_file
from ptycho_bench.formats.readers.ptychodus import with_sibling


def files_read(files: list[str]) -> list[Path]:
    """The named files and all that are read with them, each once, in a fixed order; missing ones are passed over.

    Raises:
        DataError: an HDF5 file is damaged.
    """
    found: dict[Path, None] = {}
    waiting = [Path(file).resolve() for file in with_sibling(files)]
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        found[path] = None
        if is_hdf5(path):
            with opened(path) as handle:
                waiting += [part.resolve() for part in parts_of(handle)]
    return list(found)


def parts_of(handle: h5py.File) -> Iterator[Path]:
    """Files that an HDF5 file's links and data sets lead to, where they are there."""
    for name in referred(handle, 0):
        try:
            yield part_file(handle, name, "a part")
        except DataError:  # only what is read need be there, and reading it says so
            continue


def referred(group: h5py.Group, depth: int) -> Iterator[str]:
    """Names of other files in a group, as they are written there."""
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            yield link.filename
        elif isinstance(link, h5py.HardLink):
            node = group[name]
            if isinstance(node, h5py.Dataset):
                yield from stored_elsewhere(node)
            elif isinstance(node, h5py.Group) and depth < DEEPEST:
                yield from referred(node, depth + 1)


def stored_elsewhere(data: h5py.Dataset) -> Iterator[str]:
    """Names of the files that hold a data set's values; `.` is its own."""
    sources = [source.file_name for source in data.virtual_sources()] if data.is_virtual else []
    folder = Path(data.file.filename).parent
    for name in dict.fromkeys([*sources, *(name for name, _, _ in data.external or ())]):
        if "%" in name:  # one file a block, numbered
            numbered = re.sub(r"%%|%\w*", lambda found: "%" if found[0] == "%%" else "*", escape(name))
            yield from sorted(glob(str(folder / numbered)))
        elif name != ".":
            yield name
