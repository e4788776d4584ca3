"""All files that are read when a user names some: the named files, their partners, and files that they refer to."""

from collections.abc import Iterator
from pathlib import Path

import h5py

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.hdf5 import has_hdf5_signature, open_hdf5
from ptycho_bench.formats.containers.links import locate_part, members, sources_of
from ptycho_bench.formats.readers.ptychodus import with_sibling

MAX_MEMBERS = 100_000  # of a file that are searched for references


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
    """Iterate over the existing files that an HDF5 file's links and data sets refer to.

    Not every reference is read; if one is that must not be, the reader reports it.
    """
    for name, link in members(handle, MAX_MEMBERS):
        try:
            if isinstance(link, h5py.ExternalLink):
                yield locate_part(handle, link.filename, "a part")
            elif isinstance(link, h5py.HardLink) and isinstance(node := handle[name], h5py.Dataset):
                yield from (Path(file) for file, _ in sources_of(node))
        except DataError:
            continue
