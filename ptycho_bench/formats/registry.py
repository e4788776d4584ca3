"""Which reader a user's files are for."""

from collections.abc import Mapping

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.hdf5 import is_hdf5
from ptycho_bench.formats.containers.npz import NPZ_SUFFIXES
from ptycho_bench.formats.containers.paths import joined_names, require_file, suffix_of
from ptycho_bench.formats.containers.sources import names_of, open_source
from ptycho_bench.formats.raw_scan import Reader

ORDER = ("ptychodus", "cxi", "ptypy", "py4dstem", "ptychopinn", "tike", "ptychonn", "aps26id", "mdw771", "tiff")
HDF5_SUFFIXES = (".h5", ".hdf5", ".cxi", ".nxs", ".ptyd", ".ptyr", ".emd")


def recognise(files: list[str], readers: Mapping[str, Reader]) -> tuple[str, Reader]:
    """Name and reader of the first format that knows these files.

    Args:
        files: as the user names them.
        readers: by name; tried in the order of `ORDER`, others after these.

    Raises:
        DataError: a file is missing or empty, or no reader knows them.
    """
    if not files:
        raise DataError("no file is named; ptycho-import FILE [FILE ...]")
    for file in files:
        require_file(file)
    names = sorted(readers, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    for name in names:
        if readers[name].recognises(files):
            return name, readers[name]
    for file in files:
        refuse_damaged(file)
    held = sorted(names_of(files[0]))
    holds = f" (it holds {', '.join(held[:8])}{' ...' if len(held) > 8 else ''})" if held else ""
    raise DataError(
        f"{joined_names(files)}{holds} is of no format that is known: {', '.join(names)}; name its keys: format=keys "
        "format.diffraction=KEY format.positions=KEY, or its format: format=NAME"
    )


def refuse_damaged(file: str) -> None:
    """Raise DataError where no reader knows a file because it cannot even be opened."""
    if is_hdf5(file) or suffix_of(file) in (*NPZ_SUFFIXES, *HDF5_SUFFIXES):
        with open_source(file):
            pass
