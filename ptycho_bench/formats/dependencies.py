"""All files that are read when a user names some: the named files, their partners, and files that they refer to."""

import re
from collections.abc import Iterator
from glob import escape, glob
from pathlib import Path

import h5py

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.hdf5 import has_hdf5_signature, open_hdf5
from ptycho_bench.formats.containers.links import MAX_DEPTH, locate_part
from ptycho_bench.formats.readers.ptychodus import with_sibling


def files_read(files: list[str]) -> list[Path]:
    """Return the named files and all files that are read with them, each once, in a fixed order, without missing ones.

    Raises:
        DataError: If an HDF5 file is damaged.
    """
    found: dict[Path, None] = {}
    waiting = [Path(file).resolve() for file in with_sibling(files)]
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        found[path] = None
        if has_hdf5_signature(path):
            with open_hdf5(path) as handle:
                waiting += [part.resolve() for part in existing_parts(handle)]
    return list(found)


def existing_parts(handle: h5py.File) -> Iterator[Path]:
    """Iterate over the existing files that an HDF5 file's links and data sets refer to."""
    for name in referenced_files(handle, 0):
        try:
            yield locate_part(handle, name, "a part")
        except DataError:  # not every reference is read; if this one is, the reader reports the missing file
            continue


def referenced_files(group: h5py.Group, depth: int) -> Iterator[str]:
    """Iterate over the names of other files that a group refers to, as they are written there."""
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            yield link.filename
        elif isinstance(link, h5py.HardLink):
            node = group[name]
            if isinstance(node, h5py.Dataset):
                yield from files_of_dataset(node)
            elif isinstance(node, h5py.Group) and depth < MAX_DEPTH:
                yield from referenced_files(node, depth + 1)


def files_of_dataset(data: h5py.Dataset) -> Iterator[str]:
    """Iterate over the names of the other files that contain a data set's values."""
    sources = [source.file_name for source in data.virtual_sources()] if data.is_virtual else []
    folder = Path(data.file.filename).parent
    for name in dict.fromkeys([*sources, *(name for name, _, _ in data.external or ())]):
        if "%" in name:  # the name contains a placeholder for the number of the block
            numbered = re.sub(r"%%|%\w*", lambda found: "%" if found[0] == "%%" else "*", escape(name))
            yield from sorted(glob(str(folder / numbered)))
        elif name != ".":  # stands for the file itself
            yield name
