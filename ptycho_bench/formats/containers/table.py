"""Scan positions in a text table: two or three columns, with or without a header."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.paths import damage_named, require_file
from ptycho_bench.formats.containers.units import length_m, plain_unit

SUFFIXES = (".csv", ".txt", ".dat", ".tsv")
ROW_NAMES, COLUMN_NAMES = ("y", "row", "pos_y", "position_y"), ("x", "column", "col", "pos_x", "position_x")
INDEX_NAMES = ("index", "i", "n", "frame", "id")
PIXELS = ("px", "pixel")


@dataclass(frozen=True, kw_only=True)
class Positions:
    """Positions of a table, in metres or in object pixels.

    Args:
        metres: float64 (N, 2), (row, column); or None.
        pixels: likewise; or None.
        index: int (N,), the frames' own index; or None.
        notes: what was decided.
    """

    metres: np.ndarray | None
    pixels: np.ndarray | None
    index: np.ndarray | None
    notes: tuple[str, ...]


def is_table(path: str | Path) -> bool:
    """True for a file whose ending says that it is a table."""
    return Path(path).suffix.lower() in SUFFIXES


def in_unit(positions: np.ndarray, unit: str, where: str) -> dict[str, np.ndarray | None]:
    """Positions (N, 2) as `metres` or `pixels`, the other None."""
    if plain_unit(unit).removesuffix("s") in PIXELS:
        return {"metres": None, "pixels": positions}
    return {"metres": positions * length_m(1.0, unit=unit, where=where), "pixels": None}


def read_positions(path: str | Path, *, unit: str) -> Positions:
    """Positions of a .csv, .tsv, .txt or .dat file.

    Columns are [index,] row, column; a header with names (y or row, x or column, index) decides their order, and the
    unit where it states one, as x_um or "x (um)".

    Args:
        path: the file.
        unit: m, mm, um, nm, A or px, where the header states none.

    Raises:
        DataError: it is missing, empty, or no such table.
    """
    path = require_file(path)
    header, rows = rows_of(path)
    values = numbers(rows, path)
    names = None if header is None else [split_name(cell) for cell in header]
    row, column, index = places(names, values.shape[1], path)
    stated = None if names is None or row >= len(names) else names[row][1]
    notes = () if names else (f"{Path(path).name} has no header: columns taken as row (y), column (x)",)
    return Positions(
        index=None if index is None else values[:, index].round().astype(np.int64),
        notes=notes,
        **in_unit(values[:, [row, column]], stated or unit, str(path)),
    )


def rows_of(path: str | Path) -> tuple[list[str] | None, list[list[str]]]:
    """Header and rows of a table, cell by cell; None: its first line is numbers, no header.

    Raises:
        DataError: the file is missing, empty or no text.
    """
    path = require_file(path)
    with damage_named(path), open(path, encoding="utf-8-sig", newline="") as stream:
        lines = [line.strip().lstrip("#").strip() for line in stream]
    rows = [cells(line) for line in lines if line]
    header = rows.pop(0) if rows and not all(is_number(cell) for cell in rows[0]) else None
    return header, rows


def cells(line: str) -> list[str]:
    """A line's cells, parted by comma, semicolon, tab or blanks."""
    for delimiter in ",;\t":
        if delimiter in line:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter)) if cell.strip()]
    return line.split()


def is_number(cell: str) -> bool:
    """True for text that reads as a number, also nan."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def numbers(rows: list[list[str]], path: Path) -> np.ndarray:
    """Float64 (N, columns); DataError names the first line that does not fit."""
    if not rows:
        raise DataError(f"{path} holds no positions; two columns of numbers are needed, row (y) and column (x)")
    for count, row in enumerate(rows, 1):
        if len(row) != len(rows[0]) or not all(is_number(cell) for cell in row):
            raise DataError(f"{path}: point {count} reads {','.join(row)!r}; {len(rows[0])} numbers are needed")
    return np.array(rows, np.float64)


def split_name(cell: str) -> tuple[str, str | None]:
    """Name and unit of a header's cell.

    >>> split_name("Y [um]"), split_name("x_m"), split_name("row")
    (('y', 'um'), ('x', 'm'), ('row', None))
    """
    found = re.fullmatch(r"\s*(.*?)[\s_]*[\[\(]\s*(\S+)\s*[\]\)]|\s*(.*?)_(m|mm|um|µm|nm|px)\s*|\s*(.*?)\s*", cell)
    name, unit = found[1] or found[3] or found[5] or "", found[2] or found[4]
    return name.strip().lower(), unit


def places(names: list[tuple[str, str | None]] | None, count: int, path: Path) -> tuple[int, int, int | None]:
    """Which columns are row, column and index."""
    if count not in (2, 3) and not names:
        raise DataError(f"{path} has {count} columns and no header; keep [index,] row (y) and column (x)")
    if not names:
        return (count - 2, count - 1, 0 if count == 3 else None)
    found = [next((i for i, (name, _) in enumerate(names) if name in known), None)
             for known in (ROW_NAMES, COLUMN_NAMES, INDEX_NAMES)]  # fmt: skip
    if found[0] is None or found[1] is None or len(names) != count:
        raise DataError(f"{path}: its header is {', '.join(name for name, _ in names)}; name the columns y and x")
    return tuple(found)
