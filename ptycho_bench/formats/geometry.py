"""Geometry of a measured scan: what files say and users mend of it; object pixel, near field."""

from dataclasses import dataclass

import numpy as np
import torch

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.physics.geometry import WAVELENGTHS, far_field_pixel, fresnel_number
from ptycho_bench.physics.probe import probe_diameter

FAR_FIELD = 1.0  # largest Fresnel number that passes
AGREE = 0.02  # largest relative difference of two pixel sizes that are taken for one


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What a file does not say of its geometry, or says wrongly; None: as the file says.

    Args:
        beam: photons or electrons.
        energy_ev: beam energy.
        distance_m: specimen to detector.
        detector_pixel_m: side of a detector pixel.
        pixel_size_m: side of an object pixel, of the uncropped pattern; counts before energy and distance.
    """

    beam: str
    energy_ev: float | None
    distance_m: float | None
    detector_pixel_m: float | None
    pixel_size_m: float | None

    def __post_init__(self) -> None:
        if self.beam not in WAVELENGTHS:
            raise ValueError(f"geometry.beam must be {' or '.join(WAVELENGTHS)}, got {self.beam!r}")
        for name in ("energy_ev", "distance_m", "detector_pixel_m", "pixel_size_m"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"geometry.{name} must be above 0, got {value}")

    def completed(self, raw: RawScan) -> "Geometry":
        """With what the file says where nothing was given."""
        names = ("energy_ev", "distance_m", "detector_pixel_m", "pixel_size_m")
        values = {name: getattr(raw, name) if getattr(self, name) is None else getattr(self, name) for name in names}
        return Geometry(beam=self.beam, **values)

    @property
    def wavelength_m(self) -> float | None:
        """Of the beam; None where the energy is not known."""
        return None if self.energy_ev is None else WAVELENGTHS[self.beam](self.energy_ev)

    def derived_pixel_m(self, side_px: int) -> float | None:
        """Object pixel that a pattern of this side gives; None where something is not known."""
        if self.wavelength_m is None or self.distance_m is None or self.detector_pixel_m is None:
            return None
        return far_field_pixel(self.wavelength_m, self.distance_m, self.detector_pixel_m, side_px)


def object_pixel(raw: RawScan, geometry: Geometry, side_px: int, metric: bool, notes: list[str]) -> float | None:
    """Side of an object pixel of the whole frame, m; None where positions are in pixels and nothing says more.

    Raises:
        DataError: positions in metres and no way to pixels.
    """
    derived, given = geometry.derived_pixel_m(side_px), geometry.pixel_size_m
    if given is not None and derived is not None and abs(given / derived - 1) > AGREE:
        notes.append(
            f"the object pixel is given as {given * 1e9:.4g} nm, but energy, distance and detector make it "
            f"{derived * 1e9:.4g} nm; the former is taken"
        )
    pixel_m = derived if given is None else given
    if pixel_m is None and metric:
        names = {"energy_ev": geometry.energy_ev, "distance_m": geometry.distance_m}
        names["detector_pixel_m"] = geometry.detector_pixel_m
        missing = ", ".join(name for name, value in names.items() if value is None)
        raise DataError(
            f"{raw.source}: positions are metres, and no object pixel is known: {missing} missing; set "
            f"geometry.{missing.split(', ')[0]}=VALUE, or geometry.pixel_size_m=VALUE"
            + "".join(f"; {note}" for note in raw.notes if "energy" in note)
        )
    return pixel_m


def refuse_near_field(
    raw: RawScan, geometry: Geometry, probe: np.ndarray | None, side: int, step_px: float | None, pixel_m: float | None
) -> None:
    """Raise DataError where the Fresnel number of the beam says near field.

    The beam is as wide as the probe, or, where that is not known, as half the patch, the most that a far-field pattern
    can sample; and never narrower than a scan step, or patches would not overlap.
    """
    if pixel_m is None or geometry.wavelength_m is None or geometry.distance_m is None:
        return
    widths = {"half a patch": side / 2} if probe is None else {"its probe": probe_diameter(torch.from_numpy(probe))}
    widths["a scan step"] = step_px or 0.0
    what, width_px = max(widths.items(), key=lambda pair: pair[1])
    number = fresnel_number(width_px * pixel_m, geometry.wavelength_m, geometry.distance_m)
    if number >= FAR_FIELD:
        raise DataError(
            f"{raw.source}: near field: a beam as wide as {what}, {width_px * pixel_m:.3g} m, has the Fresnel number "
            f"{number:.3g}, far field asks for less than {FAR_FIELD:g}; check geometry.distance_m, energy_ev and "
            "pixel_size_m"
        )
