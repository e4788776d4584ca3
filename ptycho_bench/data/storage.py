"""What a data set of an HDF5 file may claim: values in the file itself, in a size that the file's bytes can explain."""

import math
import os
from collections.abc import Callable

import h5py

from ptycho_bench.data.errors import DataError

FREE_BYTES = 2**28  # claims up to this size need no explanation
MOST_CHUNK_BYTES = 2**30  # HDF5 decompresses a whole chunk at a time
MOST_COMPRESSION = 2000  # largest ratio of values to bytes; deflate reaches 1032
MOST_ATTRIBUTE_BYTES = 2**16
MOST_LINKS = 12  # soft and external links on the way to a data set
Node = h5py.Group | h5py.Dataset
FollowOutside = Callable[[h5py.Group, str, h5py.ExternalLink, int], Node | None]


def check_claim(claimed: int, stored: int, where: str) -> None:
    """Check that a number of bytes can have been compressed to the bytes that a file contains.

    Raises:
        DataError: If the claim is above `FREE_BYTES` and no compression explains it.
    """
    if claimed > max(FREE_BYTES, MOST_COMPRESSION * stored):
        raise DataError(
            f"{where} claims {claimed / 2**30:.4g} GiB, but only {stored:,} bytes of it are in the file; it is "
            "damaged or made to exhaust the memory: copy what was measured to another file"
        )


def claimed_bytes(data: h5py.Dataset) -> int:
    """Return the size of all values of a data set in memory."""
    return math.prod(data.shape or ()) * data.dtype.itemsize


def stored_bytes(data: h5py.Dataset) -> int:
    """Return the size of a data set on disk, at most that of its file."""
    return min(data.id.get_storage_size(), os.path.getsize(data.file.filename))


def check_storage(data: h5py.Dataset) -> None:
    """Check that a data set is not stored in a raw file of any format, and that its sizes are plausible.

    HDF5 would read any file that such a data set names, also one that the user may read but not its author.

    Raises:
        DataError: If it is stored in another file, or its size or that of a chunk is not plausible.
    """
    where = f"{data.file.filename}: {data.name}"
    if data.external:
        raise DataError(
            f"{where} is stored in the raw file {data.external[0][0]!r}, which is never read; store the values in the "
            "HDF5 file itself"
        )
    if data.is_virtual:
        return  # its size follows from those of its sources
    check_claim(claimed_bytes(data), stored_bytes(data), where)
    chunk = math.prod(data.chunks or ()) * data.dtype.itemsize
    if chunk > MOST_CHUNK_BYTES:
        raise DataError(
            f"{where} has chunks of {chunk / 2**30:.4g} GiB, at most {MOST_CHUNK_BYTES / 2**30:g} GiB are read; store "
            "it in smaller chunks with h5repack"
        )


def refuse_outside(group: h5py.Group, name: str, link: h5py.ExternalLink, depth: int) -> None:
    """Raise DataError for a link to another file."""
    raise DataError(
        f"{group.file.filename}: {group.name.rstrip('/')}/{name} is a link to another file, {link.filename!r}, which "
        "is not followed; store the values in the file itself, or name the other file"
    )


def find_node(group: h5py.Group, key: str, outside: FollowOutside = refuse_outside, depth: int = 0) -> Node | None:
    """Return the group or data set of a key, following soft links, or None if the key does not exist.

    Args:
        group: where the key begins.
        key: names separated by slashes.
        outside: returns what an external link in a group leads to.
        depth: number of links that were followed on the way.

    Raises:
        DataError: If a link leads to another file that must not be read, or links form a circle.
    """
    if depth > MOST_LINKS:
        raise DataError(f"{group.file.filename}: the links of {key} form a circle; correct the links in the file")
    node: Node | None = group
    for name in filter(None, key.split("/")):
        if not isinstance(node, h5py.Group):
            return None
        link = node.get(name, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            node = outside(node, name, link, depth + 1)
        elif isinstance(link, h5py.SoftLink):
            node = find_node(node.file if link.path.startswith("/") else node, link.path, outside, depth + 1)
        else:
            node = node[name]
    return node


def contained(handle: h5py.File, key: str) -> h5py.Dataset | None:
    """Return a data set whose values are all in the file itself, or None if the key does not exist.

    Raises:
        DataError: If the key is a group, or values are in other files.
    """
    data = find_node(handle, key)
    if data is None:
        return None
    where = f"{handle.filename}: {key}"
    if not isinstance(data, h5py.Dataset) or data.shape is None:
        raise DataError(f"{where} is no array; name a data set")
    if data.is_virtual:
        raise DataError(f"{where} is a virtual data set of other files, which are not read; store the values in it")
    check_storage(data)
    return data


def uncompressed(handle: h5py.File, key: str) -> h5py.Dataset:
    """Return a data set that takes as many bytes in the file as in memory, as this project writes all of its arrays.

    Raises:
        DataError: If it takes fewer.
    """
    data = contained(handle, key)
    if claimed_bytes(data) > stored_bytes(data):
        raise DataError(
            f"{handle.filename}: {key} is compressed or incomplete; if it is compressed, run h5repack -f NONE OLD NEW, "
            "else regenerate it"
        )
    return data


def read_attribute(handle: h5py.File, name: str) -> object:
    """Return an attribute, which must be one value of fixed size.

    HDF5 may loop forever on a text of variable length in a damaged file.

    Raises:
        DataError: If it is a text of variable length, an array, or large.
    """
    stored = handle.attrs.get_id(name)
    if stored.dtype.kind == "O" or stored.shape or stored.dtype.itemsize > MOST_ATTRIBUTE_BYTES:
        raise DataError(f"{handle.filename}: attribute {name} is not one value of fixed length; regenerate the file")
    return handle.attrs[name]
