"""Measured data sets by name: imported from others' files, and solved where they bring no object."""

import dataclasses
from collections.abc import Callable

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.formats.assemble import assemble
from ptycho_bench.formats.geometry import Geometry
from ptycho_bench.formats.patterns import PatternOptions
from ptycho_bench.formats.positions import PositionOptions
from ptycho_bench.formats.raw_scan import Reader
from ptycho_bench.physics.noise import NoNoise


def measured_scan(
    *,
    name: str,
    size_px: int,
    scan: Callable[[], PtychoScan],
    held_out: bool,
    noise: object,
    simulation_hash: str | None = None,
) -> PtychoScan:
    """A measured scan as a data set one trains on.

    Args:
        name: of the data set, for the record.
        size_px: side its patterns have; lets a network that cannot take them fail before anything is read.
        scan: imports or solves it; called once all else was checked.
        held_out: for testing alone.
        noise: of a simulated detector; none but `NoNoise` makes sense here.
        simulation_hash: hash of what the scan is made from.

    Raises:
        DataError: patterns of another side.
        ValueError: simulated noise for measured data.
    """
    if not isinstance(noise, NoNoise):
        raise ValueError(f"data={name} was measured, {type(noise).__name__} is for simulated data; use noise=none")
    found = scan()
    if found.patch_px != size_px:
        raise DataError(f"data={name}: patterns are {found.patch_px} px, but data.size_px={size_px}; set it to that")
    info = dataclasses.replace(found.info, simulation_hash=simulation_hash, held_out=held_out)
    return dataclasses.replace(found, info=info)


def import_scan(
    *,
    diffraction_path: str,
    second_path: str | None,
    source: str | None,
    reader: Reader,
    geometry: Geometry,
    patterns: PatternOptions,
    positions: PositionOptions,
) -> PtychoScan:
    """A scan from files of a known format.

    Args:
        diffraction_path: the patterns' file.
        second_path: labels or positions, where the format keeps them apart; or None.
        source: where the files can be had; said when one is missing; or None.
        reader: of the format.
        geometry: see `assemble`, as the next two.
        patterns: likewise.
        positions: likewise.
    """
    files = [path for path in (diffraction_path, second_path) if path is not None]
    scan, notes = assemble(reader.read(files), geometry=geometry, patterns=patterns, positions=positions)
    return dataclasses.replace(scan, notes=tuple(notes))
