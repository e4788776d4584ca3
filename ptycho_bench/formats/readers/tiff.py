"""TIFF stacks, one file or many, with the positions in a text table."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.layout import Layout, chain
from ptycho_bench.formats.containers.paths import damage_named, expand, joined_names, natural_key, require_file
from ptycho_bench.formats.containers.table import is_table, read_positions
from ptycho_bench.formats.raw_scan import RawScan

SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True, kw_only=True)
class TiffStack:
    """TIFF files, in natural order of their names, and a .csv, .tsv, .txt or .dat table of positions.

    Args:
        positions_unit: m, mm, um, nm, A or px, where the table's header states none.
    """

    positions_unit: str

    def recognises(self, files: list[str]) -> bool:
        """True for TIFF files and at most one table."""
        images = [file for file in files if is_tiff(file)]
        rest = [file for file in files if file not in images]
        return bool(images) and all(map(is_table, rest)) and len(rest) <= 1

    def read(self, files: list[str]) -> RawScan:
        """The scan; see `Reader`."""
        found = expand(files)
        images = sorted((file for file in found if is_tiff(file)), key=natural_key)
        tables = [file for file in found if is_table(file)]
        other = [file for file in found if not is_tiff(file) and not is_table(file)]
        if not images or other or len(tables) > 1:
            raise DataError(f"{joined_names(found)}: .tif files and at most one table of positions are read")
        layouts = {file: layout_of(file) for file in images}
        frames = chain([stream_of(file, layout) for file, layout in layouts.items()], joined_names(images))
        places = read_positions(tables[0], unit=self.positions_unit) if tables else None
        return RawScan(
            source=joined_names([*images, *tables]),
            format="tiff",
            frames=frames,
            raster=next(iter(layouts.values())).raster if len(layouts) == 1 else None,
            positions_m=None if places is None else places.metres,
            positions_px=None if places is None else places.pixels,
            position_index=None if places is None else places.index,
            notes=() if places is None else places.notes,
        )


def is_tiff(file: str) -> bool:
    """True for a file whose ending says so."""
    return Path(file).suffix.lower() in SUFFIXES


@contextmanager
def opened_tiff(file: str) -> Iterator:
    """First series of a TIFF file.

    Raises:
        DataError: it is missing, empty, truncated, or of another kind.
    """
    import tifffile

    path = require_file(file)
    with damage_named(path), tifffile.TiffFile(path) as tiff:
        yield tiff.series[0]


def layout_of(file: str) -> Layout:
    """How a file holds its frames."""
    with opened_tiff(file) as series:
        return Layout(where=file, shape=tuple(series.shape), dtype=series.dtype)


def stream_of(file: str, layout: Layout) -> FrameStream:
    """Frames of a file: mapped where they lie uncompressed in one piece, else page by page."""

    @contextmanager
    def opened() -> Iterator:
        with opened_tiff(file) as series:
            if series.dataoffset is not None:
                dtype = np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder)
                yield np.memmap(file, dtype, "r", series.dataoffset, layout.shape)
            else:
                yield Pages(series, layout)

    return layout.stream(opened)


class Pages:
    """Pages of a TIFF series as an array that takes the slices of `Layout.indices`."""

    def __init__(self, series: object, layout: Layout) -> None:
        self.series, self.layout = series, layout
        self.numbers = np.arange(layout.frames[0]).reshape(layout.core[:-2])

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        wanted = np.atleast_1d(self.numbers[index]).ravel()
        if len(self.series.pages) != self.layout.frames[0]:
            return np.asarray(self.series.asarray()).reshape(self.layout.frames)[wanted]
        return np.stack([self.series.pages[int(number)].asarray() for number in wanted])
