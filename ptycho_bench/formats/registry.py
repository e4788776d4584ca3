"""Recognition of file formats: choose the reader for a user's files."""

from collections.abc import Mapping

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.hdf5 import has_hdf5_signature
from ptycho_bench.formats.containers.npz import NPZ_SUFFIXES
from ptycho_bench.formats.containers.paths import joined_names, require_file, suffix_of
from ptycho_bench.formats.containers.sources import open_source, root_names
from ptycho_bench.formats.raw_scan import Reader

ORDER = ("ptychodus", "cxi", "ptypy", "py4dstem", "ptychopinn", "tike", "ptychonn", "aps26id", "mdw771", "tiff")
HDF5_SUFFIXES = (".h5", ".hdf5", ".cxi", ".nxs", ".ptyd", ".ptyr", ".emd")


def recognise(files: list[str], readers: Mapping[str, Reader]) -> tuple[str, Reader]:
    """Return the name and the reader of the first format that recognises the files.

    Args:
        files: files as the user names them.
        readers: readers by name; they are tried in the order of `ORDER`, and then all others.

    Raises:
        DataError: If a file is missing or empty, or no reader recognises the files.
    """
    if not files:
        raise DataError("no file is named; run ptycho-import FILE [FILE ...]")
    for file in files:
        require_file(file)
    names = sorted(readers, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    for name in names:
        if readers[name].recognises(files):
            return name, readers[name]
    for file in files:
        refuse_damaged(file)
    keys = sorted(root_names(files[0]))
    contains = f" (it contains {', '.join(keys[:8])}{' ...' if len(keys) > 8 else ''})" if keys else ""
    raise DataError(
        f"{joined_names(files)}{contains} has none of the known formats {', '.join(names)}; name its keys with "
        "format=keys format.diffraction=KEY format.positions=KEY, or set its format with format=NAME"
    )


def refuse_damaged(file: str) -> None:
    """Raise DataError if no reader recognises a file because the file cannot even be opened."""
    if has_hdf5_signature(file) or suffix_of(file) in (*NPZ_SUFFIXES, *HDF5_SUFFIXES):
        with open_source(file):
            pass
