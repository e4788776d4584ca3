"""Lookup of names in an HDF5 file, through links to HDF5 files in the same folder; nothing outside of it is read."""

import os
import re
from collections.abc import Iterator
from glob import escape, glob
from pathlib import Path

import h5py

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.storage import Node, check_storage
from ptycho_bench.data.storage import find_node as find_node_inside
from ptycho_bench.formats.containers.paths import require_file, suggest_keys

MAX_NAMES = 2000  # of a file that are listed
MAX_PARTS = 100_000  # of a virtual data set
Place = tuple[str, str]  # a file and the name of a data set in it


def locate_part(handle: h5py.File, name: str, what: str) -> Path:
    """Return the path of a file that another file refers to: as it is written there, or in the same folder.

    A file that a stranger has made must not decide which files of this machine are read, so that only files in the
    folder of the file that refers to them, and below it, are allowed.

    Args:
        handle: the file that contains the reference.
        name: file name as the reference contains it.
        what: what the other file contains, for the error message.

    Raises:
        DataError: If the file is in neither place, or lies outside of the folder.
    """
    folder = Path(handle.filename).parent
    named, beside = folder / name, folder / Path(name).name
    if named.exists() and not is_below(named, folder):
        raise DataError(
            f"{handle.filename}: {what} is stored in {name}, outside of the folder of {handle.filename}; put both "
            "files in one folder"
        )
    for place in (named, beside):
        if place.is_file():
            return require_file(place)
    raise DataError(
        f"{handle.filename}: {what} is stored in {name}, which is missing; put it in the folder of {handle.filename}"
    )


def is_below(path: Path, folder: Path) -> bool:
    """Return True if a path, as it is written, leads to a place in a folder or below it."""
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))


def find_node(group: h5py.Group, key: str) -> Node | None:
    """Return the group or data set of a key, following soft and external links, or None if the key does not exist.

    Raises:
        DataError: If a link leads to a missing file or out of the folder, or links form a circle.
    """
    return find_node_inside(group, key, follow)


def follow(group: h5py.Group, name: str, link: h5py.ExternalLink, depth: int) -> Node | None:
    """Return what an external link leads to."""
    other = locate_part(group.file, link.filename, f"{group.name.rstrip('/')}/{name}")
    return find_node_inside(h5py.File(other, "r"), link.path, follow, depth)


def is_named(handle: h5py.File, key: str) -> bool:
    """Return True if a key exists, even as a broken link."""
    parent, _, last = key.rpartition("/")
    try:
        group = find_node(handle, parent)
    except DataError:
        return True
    return isinstance(group, h5py.Group) and group.get(last, getlink=True) is not None


def members(group: h5py.Group, most: int) -> list[tuple[str, object]]:
    """Return the name and the link of up to `most` members of a group and of the groups below it, each group once."""
    found: list[tuple[str, object]] = []

    def visit(name: str, link: object) -> bool | None:
        found.append((name, link))
        return len(found) >= most or None

    group.visititems_links(visit)
    return found


def missing_key(handle: h5py.File, key: str) -> DataError:
    """Return the error to raise if a key does not exist; its message names the most similar keys."""
    available = [name for name, _ in members(handle, MAX_NAMES)]
    return DataError(
        f"{handle.filename} has no {key}; {suggest_keys(key, available)}; format=keys imports a file by any keys"
    )


def require_parts(data: h5py.Dataset, path: tuple[Place, ...] = ()) -> None:
    """Check that the values of a data set may be read, and exist: HDF5 itself would read zeros for missing parts.

    Args:
        data: the data set.
        path: the virtual data sets that this one is a part of.

    Raises:
        DataError: If a part is missing, stored in a raw file, or outside of the folder, or parts form a circle.
    """
    check_storage(data)
    place = (os.path.realpath(data.file.filename), data.name)
    if place in path:
        raise DataError(f"{data.file.filename}: {data.name} is a part of itself; correct the virtual data set")
    for file, name in sources_of(data):
        with h5py.File(file, "r") as handle:
            part = find_node(handle, name)
            if not isinstance(part, h5py.Dataset):
                raise DataError(f"{data.file.filename}: a part of {data.name} is {name} of {file}, which is missing")
            require_parts(part, (*path, place))


def sources_of(data: h5py.Dataset) -> Iterator[Place]:
    """Iterate over the places of a virtual data set's values, each once.

    Raises:
        DataError: If a file is missing or outside of the folder, or there are too many parts.
    """
    if not data.is_virtual:
        return
    stored = dict.fromkeys((source.file_name, source.dset_name) for source in data.virtual_sources())
    if len(stored) > MAX_PARTS:
        raise DataError(f"{data.file.filename}: {data.name} has {len(stored)} parts, at most {MAX_PARTS} are read")
    for file, name in stored:
        for found in numbered_files(data, file):
            yield str(found), name


def numbered_files(data: h5py.Dataset, name: str) -> list[Path]:
    """Return the files that a virtual data set's source names; a placeholder such as %b stands for all numbers."""
    if name == ".":  # stands for the file itself
        return [Path(data.file.filename)]
    what = f"a part of {data.name}"
    if "%" not in name:
        return [locate_part(data.file, name, what)]
    numbered = re.sub(r"%%|%\w*", lambda found: "%" if found[0] == "%%" else "*", escape(name))
    matches = sorted(glob(str(Path(data.file.filename).parent / numbered)))
    return [locate_part(data.file, found, what) for found in matches]
