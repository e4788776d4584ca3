"""Geometry of a measured scan: the file's values and the user's corrections, the object pixel, and the far field."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.physics.bounds import Interval, Metres, Positive, bounded
from ptycho_bench.physics.geometry import WAVELENGTHS, far_field_pixel, fresnel_number
from ptycho_bench.physics.probe import probe_diameter

MAX_FRESNEL_NUMBER = 1.0  # of a scan in the far field
PIXEL_TOLERANCE = 0.02  # largest relative difference of two pixel sizes that are considered equal


@bounded
@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Corrections and additions to what a file contains about its geometry; None to use the file's value.

    Args:
        beam: photons or electrons.
        energy_ev: beam energy, electronvolts.
        distance_m: distance from specimen to detector, metres.
        detector_pixel_m: side of a detector pixel, metres.
        pixel_size_m: side of an object pixel that belongs to the uncropped pattern, metres; takes precedence over the
            value that follows from energy, distance and detector pixel.
    """

    beam: Literal["photons", "electrons"]
    energy_ev: Positive | None
    distance_m: Annotated[float, Interval("(0, 1e6]")] | None
    detector_pixel_m: Metres | None
    pixel_size_m: Metres | None

    def __post_init__(self) -> None:
        if self.beam not in WAVELENGTHS:
            raise ValueError(f"geometry.beam must be {' or '.join(WAVELENGTHS)}, got {self.beam!r}")

    def filled_from(self, raw: RawScan) -> "Geometry":
        """Return a copy in which the file's values replace each None."""
        names = ("energy_ev", "distance_m", "detector_pixel_m", "pixel_size_m")
        values = {name: getattr(raw, name) if getattr(self, name) is None else getattr(self, name) for name in names}
        return Geometry(beam=self.beam, **values)

    @property
    def wavelength_m(self) -> float | None:
        """Wavelength of the beam, metres; None if the energy is unknown."""
        return None if self.energy_ev is None else WAVELENGTHS[self.beam](self.energy_ev)

    def derived_pixel_m(self, side_px: int) -> float | None:
        """Return the side of an object pixel, metres, for patterns of this side; None if a value is unknown."""
        if self.wavelength_m is None or self.distance_m is None or self.detector_pixel_m is None:
            return None
        return far_field_pixel(self.wavelength_m, self.distance_m, self.detector_pixel_m, side_px)


def object_pixel_size(raw: RawScan, geometry: Geometry, side_px: int, metric: bool, notes: list[str]) -> float | None:
    """Return the side of an object pixel of the whole frame, metres; None if it is unknown.

    Args:
        raw: the scan, for messages.
        geometry: the completed geometry.
        side_px: height of the frames.
        metric: True if positions are in metres, so that the size is required.
        notes: extended by a line if two values contradict each other.

    Raises:
        DataError: If positions are in metres and the size is unknown.
    """
    derived, given = geometry.derived_pixel_m(side_px), geometry.pixel_size_m
    if given is not None and derived is not None and abs(given / derived - 1) > PIXEL_TOLERANCE:
        notes.append(
            f"the given object pixel of {given * 1e9:.4g} nm is used, although energy, distance and detector pixel "
            f"give {derived * 1e9:.4g} nm"
        )
    pixel_m = derived if given is None else given
    if pixel_m is None and metric:
        names = {"energy_ev": geometry.energy_ev, "distance_m": geometry.distance_m}
        names["detector_pixel_m"] = geometry.detector_pixel_m
        missing = ", ".join(name for name, value in names.items() if value is None)
        raise DataError(
            f"{raw.source}: positions are in metres, but the object pixel is unknown, because {missing} "
            f"{'is' if ',' not in missing else 'are'} missing; set geometry.{missing.split(', ')[0]}=VALUE, or "
            "geometry.pixel_size_m=VALUE" + "".join(f"; {note}" for note in raw.notes if "energy" in note)
        )
    return pixel_m


def refuse_near_field(
    raw: RawScan, geometry: Geometry, probe: np.ndarray | None, side: int, step_px: float | None, pixel_m: float | None
) -> None:
    """Check that a scan is in the far field.

    The beam is assumed to be as wide as the probe or, if the probe is unknown, as half the patch, which is the most
    that a far-field pattern can sample. It is at least as wide as a scan step, because patches would not overlap
    otherwise.

    Raises:
        DataError: If the Fresnel number of the beam indicates the near field.
    """
    if pixel_m is None or geometry.wavelength_m is None or geometry.distance_m is None:
        return
    widths = {"half a patch": side / 2} if probe is None else {"its probe": probe_diameter(torch.from_numpy(probe))}
    widths["a scan step"] = step_px or 0.0
    what, width_px = max(widths.items(), key=lambda pair: pair[1])
    number = fresnel_number(width_px * pixel_m, geometry.wavelength_m, geometry.distance_m)
    if number >= MAX_FRESNEL_NUMBER:
        raise DataError(
            f"{raw.source}: near field: a beam as wide as {what}, {width_px * pixel_m:.3g} m, has the Fresnel number "
            f"{number:.3g}, which must be below {MAX_FRESNEL_NUMBER:g} in the far field; check geometry.distance_m, "
            "geometry.energy_ev and geometry.pixel_size_m"
        )
