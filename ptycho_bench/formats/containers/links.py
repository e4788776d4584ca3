"""Lookup of names in an HDF5 file, through links into other files; missing names and files are reported."""

from collections.abc import Iterator
from pathlib import Path

import h5py

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.paths import require_file, suggest_keys

MAX_DEPTH, MAX_NAMES = 12, 2000
Node = h5py.Group | h5py.Dataset


def locate_part(handle: h5py.File, name: str, what: str) -> Path:
    """Return the path of a file that another file refers to: as it is written there, or in the same folder.

    Args:
        handle: the file that contains the reference.
        name: file name as the reference contains it.
        what: what the other file contains, for the error message.

    Raises:
        DataError: If the file is in neither place.
    """
    folder = Path(handle.filename).parent
    for place in (folder / name, folder / Path(name).name):
        if place.is_file():
            return require_file(place)
    raise DataError(
        f"{handle.filename}: {what} is stored in {name}, which is missing; put it in the folder of {handle.filename}"
    )


def find_node(group: h5py.Group, key: str, depth: int = 0) -> Node | None:
    """Return the group or data set of a key, following soft and external links, or None if the key does not exist.

    Raises:
        DataError: If a link leads to a missing file, or links form a circle.
    """
    if depth > MAX_DEPTH:
        raise DataError(f"{group.file.filename}: the links of {key} form a circle; correct the links in the file")
    node: Node | None = group
    for name in filter(None, key.split("/")):
        if not isinstance(node, h5py.Group):
            return None
        link = node.get(name, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            other = locate_part(node.file, link.filename, f"{node.name.rstrip('/')}/{name}")
            node = find_node(h5py.File(other, "r"), link.path, depth + 1)
        elif isinstance(link, h5py.SoftLink):
            node = find_node(node.file if link.path.startswith("/") else node, link.path, depth + 1)
        else:
            node = node[name]
    return node


def names_below(group: h5py.Group, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """Iterate over all names below a group, without following links."""
    for name in group:
        yield prefix + name
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.HardLink) and depth < MAX_DEPTH:
            child = group[name]
            if isinstance(child, h5py.Group):
                yield from names_below(child, f"{prefix}{name}/", depth + 1)


def missing_key(handle: h5py.File, key: str) -> DataError:
    """Return the error to raise if a key does not exist; its message names the most similar keys."""
    available = [name for name, _ in zip(names_below(handle), range(MAX_NAMES), strict=False)]
    return DataError(
        f"{handle.filename} has no {key}; {suggest_keys(key, available)}; format=keys imports a file by any keys"
    )


def require_parts(data: h5py.Dataset) -> None:
    """Check that all files that contain parts of a data set exist; HDF5 itself would read zeros for missing parts.

    Raises:
        DataError: If such a file is missing.
    """
    parts = [source.file_name for source in data.virtual_sources()] if data.is_virtual else []
    parts += [name for name, _, _ in data.external or ()]
    for name in dict.fromkeys(parts):
        if name != "." and "%" not in name:
            locate_part(data.file, name, f"a part of {data.name}")
