"""Names in an HDF5 file: followed through links into other files, the missing ones named."""

from collections.abc import Iterator
from pathlib import Path

import h5py

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.paths import nearest, require_file

DEEPEST, MOST_NAMES = 12, 2000
Node = h5py.Group | h5py.Dataset


def part_file(handle: h5py.File, name: str, what: str) -> Path:
    """File that another one refers to, as written there or beside it.

    Raises:
        DataError: it is in neither place.
    """
    folder = Path(handle.filename).parent
    for place in (folder / name, folder / Path(name).name):
        if place.is_file():
            return require_file(place)
    raise DataError(f"{handle.filename}: {what} lies in {name}, which is missing; put it beside {handle.filename}")


def find(group: h5py.Group, key: str, depth: int = 0) -> Node | None:
    """Group or data set of a key, through soft and external links; None: no such name.

    Raises:
        DataError: a link leads to a file that is missing, or in a circle.
    """
    if depth > DEEPEST:
        raise DataError(f"{group.file.filename}: the links of {key} lead in a circle")
    node: Node | None = group
    for name in filter(None, key.split("/")):
        if not isinstance(node, h5py.Group):
            return None
        link = node.get(name, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            other = part_file(node.file, link.filename, f"{node.name.rstrip('/')}/{name}")
            node = find(h5py.File(other, "r"), link.path, depth + 1)
        elif isinstance(link, h5py.SoftLink):
            node = find(node.file if link.path.startswith("/") else node, link.path, depth + 1)
        else:
            node = node[name]
    return node


def names(group: h5py.Group, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """Every name below a group, links not followed."""
    for name in group:
        yield prefix + name
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.HardLink) and depth < DEEPEST:
            child = group[name]
            if isinstance(child, h5py.Group):
                yield from names(child, f"{prefix}{name}/", depth + 1)


def missing(handle: h5py.File, key: str) -> DataError:
    """What to raise where a key is not there: names the nearest."""
    there = [name for name, _ in zip(names(handle), range(MOST_NAMES), strict=False)]
    return DataError(
        f"{handle.filename} has no {key}; {nearest(key, there)}; ptycho-import reads any key with format=keys"
    )


def require_parts(data: h5py.Dataset) -> None:
    """Raise DataError where a file that holds a part of a data set is missing: HDF5 itself would read zeros."""
    parts = [source.file_name for source in data.virtual_sources()] if data.is_virtual else []
    parts += [name for name, _, _ in data.external or ()]
    for name in dict.fromkeys(parts):
        if name != "." and "%" not in name:
            part_file(data.file, name, f"a part of {data.name}")
