"""Measured data sets: imported from other projects' files, and reconstructed if these contain no object."""

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
    """Return a measured scan as a data set for training.

    Args:
        name: name of the data set, for messages.
        size_px: side of its patterns; stated here so that a network of another input size fails before files are read.
        scan: imports or reconstructs the scan; called after all other checks.
        held_out: True if the scan is for testing only.
        noise: noise of a simulated detector; only `NoNoise` is allowed.
        simulation_hash: hash of everything that the scan is made from.

    Raises:
        DataError: If the patterns have another side.
        ValueError: If simulated noise is requested for measured data.
    """
    if not isinstance(noise, NoNoise):
        raise ValueError(f"data={name} is measured, but {type(noise).__name__} is for simulated data; set noise=none")
    found = scan()
    if found.patch_px != size_px:
        raise DataError(
            f"data={name}: patterns are {found.patch_px} px, but data.size_px={size_px}; set "
            f"data.size_px={found.patch_px}"
        )
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
    """Import a scan from files of a known format.

    Args:
        diffraction_path: file of the patterns.
        second_path: file of the labels or positions, if the format stores them separately; or None.
        source: where the files can be downloaded, for messages; or None.
        reader: reader of the format.
        geometry: corrections of the geometry.
        patterns: how frames become patterns.
        positions: how positions are joined to frames and oriented.
    """
    files = [path for path in (diffraction_path, second_path) if path is not None]
    scan, notes = assemble(reader.read(files), geometry=geometry, patterns=patterns, positions=positions)
    return dataclasses.replace(scan, notes=tuple(notes))
