"""TIFF stacks in one or many files, with the positions in a text table."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.files import open_tiff as open_first_series
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.layout import Layout, concatenate_streams
from ptycho_bench.formats.containers.paths import expand, joined_names, natural_key, report_damage, require_file
from ptycho_bench.formats.containers.table import is_table, read_positions
from ptycho_bench.formats.raw_scan import RawScan

SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True, kw_only=True)
class TiffStack:
    """Reader of TIFF files, in natural order of their names, and a .csv, .tsv, .txt or .dat table of positions.

    Args:
        positions_unit: m, mm, um, nm, A or px; used if the table's header contains no unit.
    """

    positions_unit: str

    def recognises(self, files: list[str]) -> bool:
        """Return True for TIFF files and at most one table."""
        images = [file for file in files if is_tiff(file)]
        rest = [file for file in files if file not in images]
        return bool(images) and all(map(is_table, rest)) and len(rest) <= 1

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, see `Reader`."""
        found = expand(files)
        images = sorted((file for file in found if is_tiff(file)), key=natural_key)
        tables = [file for file in found if is_table(file)]
        other = [file for file in found if not is_tiff(file) and not is_table(file)]
        if not images or other or len(tables) > 1:
            raise DataError(f"{joined_names(found)}: name only .tif files and at most one table of positions")
        layouts = {file: layout_of(file) for file in images}
        streams = [stream_of(file, layout) for file, layout in layouts.items()]
        positions = read_positions(tables[0], unit=self.positions_unit) if tables else None
        return RawScan(
            source=joined_names([*images, *tables]),
            format="tiff",
            frames=concatenate_streams(streams, joined_names(images)),
            raster=next(iter(layouts.values())).raster if len(layouts) == 1 else None,
            positions_m=None if positions is None else positions.metres,
            positions_px=None if positions is None else positions.pixels,
            position_index=None if positions is None else positions.index,
            notes=() if positions is None else positions.notes,
        )


def is_tiff(file: str) -> bool:
    """Return True if the file has the suffix of a TIFF file."""
    return Path(file).suffix.lower() in SUFFIXES


@contextmanager
def open_tiff(file: str) -> Iterator:
    """Open a TIFF file and return its first series.

    Raises:
        DataError: If the file is missing, empty, truncated or of another kind.
    """
    path = require_file(file)
    with report_damage(path), open_first_series(path) as series:
        yield series


def layout_of(file: str) -> Layout:
    """Return the layout of a file's frames."""
    with open_tiff(file) as series:
        return Layout(where=file, shape=tuple(series.shape), dtype=series.dtype)


def stream_of(file: str, layout: Layout) -> FrameStream:
    """Return the frames of a file: mapped into memory if they are contiguous and uncompressed, else page by page."""

    @contextmanager
    def open_array() -> Iterator:
        import tifffile

        with open_tiff(file) as series:
            yield Pages(series, layout) if series.dataoffset is None else tifffile.memmap(file, mode="r")

    return layout.stream(open_array)


class Pages:
    """Pages of a TIFF series as an array that is indexed with the slices of `Layout.indices`."""

    def __init__(self, series: object, layout: Layout) -> None:
        self.series, self.layout = series, layout
        self.numbers = np.arange(layout.frames[0]).reshape(layout.core[:-2])

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        wanted = np.atleast_1d(self.numbers[index]).ravel()
        if len(self.series.pages) != self.layout.frames[0]:
            return np.asarray(self.series.asarray()).reshape(self.layout.frames)[wanted]
        return np.stack([self.series.pages[int(number)].asarray() for number in wanted])
