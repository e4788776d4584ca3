"""Scan positions in a text table of two or three columns, with or without a header."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.paths import report_damage, require_file
from ptycho_bench.formats.containers.units import length_m, normalise_unit, whole_numbers

SUFFIXES = (".csv", ".txt", ".dat", ".tsv")
ROW_NAMES, COLUMN_NAMES = ("y", "row", "pos_y", "position_y"), ("x", "column", "col", "pos_x", "position_x")
INDEX_NAMES = ("index", "i", "n", "frame", "id")
PIXELS = ("px", "pixel")
LONGEST_NAME = 100  # letters of a name in the header


@dataclass(frozen=True, kw_only=True)
class Positions:
    """Positions of a table, in metres or in object pixels.

    Args:
        metres: float64 (N, 2), (row, column) in metres; None if the positions are in pixels.
        pixels: float64 (N, 2), (row, column) in object pixels; None if the positions are in metres.
        index: int64 (N,), index of the frame that each position belongs to; None if the table has no index.
        notes: what was decided.
    """

    metres: np.ndarray | None
    pixels: np.ndarray | None
    index: np.ndarray | None
    notes: tuple[str, ...]


def is_table(path: str | Path) -> bool:
    """Return True if the file has the suffix of a text table."""
    return Path(path).suffix.lower() in SUFFIXES


def positions_in_unit(positions: np.ndarray, unit: str, where: str) -> dict[str, np.ndarray | None]:
    """Return positions (N, 2) as `metres` or as `pixels`, and None for the other."""
    if normalise_unit(unit).removesuffix("s") in PIXELS:
        return {"metres": None, "pixels": positions}
    return {"metres": positions * length_m(1.0, unit=unit, where=where), "pixels": None}


def read_positions(path: str | Path, *, unit: str) -> Positions:
    """Read the positions in a .csv, .tsv, .txt or .dat file.

    Columns are [index,] row, column. The names in a header (y or row, x or column, index) take precedence over this
    order, and a unit in the header, for example x_um or "x (um)", takes precedence over `unit`.

    Args:
        path: the file.
        unit: m, mm, um, nm, A or px; used if the header contains no unit.

    Raises:
        DataError: If the file is missing, empty, or not such a table.
    """
    path = require_file(path)
    header, rows = read_rows(path)
    values = parse_numbers(rows, path)
    if header is not None and max(map(len, header)) > LONGEST_NAME:
        raise DataError(f"{path}: a name in its header has more than {LONGEST_NAME} letters; name the columns y and x")
    names = None if header is None else [split_header_cell(cell) for cell in header]
    row, column, index = column_order(names, values.shape[1], path)
    stated = None if names is None or row >= len(names) else names[row][1]
    notes = () if names else (f"{Path(path).name} has no header; its columns are read as row (y), column (x)",)
    return Positions(
        index=None if index is None else whole_numbers(values[:, index], f"{path}: the index"),
        notes=notes,
        **positions_in_unit(values[:, [row, column]], stated or unit, str(path)),
    )


def read_rows(path: str | Path) -> tuple[list[str] | None, list[list[str]]]:
    """Return the header and the rows of a table, each as a list of cells; the header is None if line 1 is numbers.

    Raises:
        DataError: If the file is missing, empty or not text.
    """
    path = require_file(path)
    with report_damage(path), open(path, encoding="utf-8-sig", newline="") as stream:
        lines = [line.strip().lstrip("#").strip() for line in stream]
    rows = [split_cells(line) for line in lines if line]
    header = rows.pop(0) if rows and not all(is_number(cell) for cell in rows[0]) else None
    return header, rows


def split_cells(line: str) -> list[str]:
    """Split a line at commas, semicolons, tabs or blanks."""
    for delimiter in ",;\t":
        if delimiter in line:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter)) if cell.strip()]
    return line.split()


def is_number(cell: str) -> bool:
    """Return True if the text is a number; nan and inf are numbers too."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def parse_numbers(rows: list[list[str]], path: Path) -> np.ndarray:
    """Return the rows as float64 (N, columns).

    pandas.read_csv is not used, because it reads short rows, empty cells and "NA" as NaN instead of refusing them.

    Raises:
        DataError: If there are no rows, or a row contains text or differs in length from the first one.
    """
    if not rows:
        raise DataError(f"{path} contains no positions; it needs two columns of numbers, row (y) and column (x)")
    for count, row in enumerate(rows, 1):
        if len(row) != len(rows[0]) or not all(is_number(cell) for cell in row):
            raise DataError(f"{path}: point {count} is {','.join(row)!r}; it must be {len(rows[0])} numbers")
    return np.array(rows, np.float64)


def split_header_cell(cell: str) -> tuple[str, str | None]:
    """Return the name and the unit in a cell of the header.

    >>> split_header_cell("Y [um]"), split_header_cell("x_m"), split_header_cell("row")
    (('y', 'um'), ('x', 'm'), ('row', None))
    """
    found = re.fullmatch(r"\s*(.*?)[\s_]*[\[\(]\s*(\S+)\s*[\]\)]|\s*(.*?)_(m|mm|um|µm|nm|px)\s*|\s*(.*?)\s*", cell)
    name, unit = found[1] or found[3] or found[5] or "", found[2] or found[4]
    return name.strip().lower(), unit


def column_order(names: list[tuple[str, str | None]] | None, count: int, path: Path) -> tuple[int, int, int | None]:
    """Return the numbers of the columns that contain row, column and index; None if there is no index.

    Raises:
        DataError: If the header does not name row and column, or a table without header is not 2 or 3 columns wide.
    """
    if count not in (2, 3) and not names:
        raise DataError(f"{path} has {count} columns and no header; keep only [index,] row (y), column (x)")
    if not names:
        return (count - 2, count - 1, 0 if count == 3 else None)
    found = [next((i for i, (name, _) in enumerate(names) if name in known), None)
             for known in (ROW_NAMES, COLUMN_NAMES, INDEX_NAMES)]  # fmt: skip
    if found[0] is None or found[1] is None or len(names) != count:
        raise DataError(f"{path}: its header is {', '.join(name for name, _ in names)}; name the columns y and x")
    return tuple(found)
