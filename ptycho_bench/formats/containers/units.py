"""Conversion of the energies and lengths in files to electronvolts and metres; each decision is noted."""

import math

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.physics.geometry import ELECTRON_C

ENERGY_EV = {"ev": 1.0, "kev": 1e3, "mev": 1e6, "j": 1 / ELECTRON_C, "joule": 1 / ELECTRON_C}
LENGTH_M = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "a": 1e-10, "pm": 1e-12}
SYNONYMS = {"metre": "m", "meter": "m", "micron": "um", "micrometer": "um", "micrometre": "um", "millimeter": "mm"}
SYNONYMS |= {"nanometer": "nm", "nanometre": "nm", "angstrom": "a", "å": "a", "joules": "joule", "electronvolt": "ev"}
LOWEST_EV, HIGHEST_EV = 50.0, 1e6
LARGEST_JOULE = 1e-12


def normalise_unit(unit: str) -> str:
    """Return a unit in lower case, ASCII and singular, in one spelling; the M of MeV stands for mega."""
    text = unit.strip().lower().replace("µ", "u").replace("μ", "u")
    return SYNONYMS.get(text, SYNONYMS.get(text.removesuffix("s"), text))


def energy_ev(value: float, *, unit: str | None, where: str) -> tuple[float, str]:
    """Convert a beam energy to electronvolts; also return a note on what was decided.

    Args:
        value: number as stored in the file.
        unit: unit given by the file or the format; None to infer it from the magnitude.
        where: file and key, for messages.

    Raises:
        DataError: If the unit is unknown, or the energy is out of range for a beam.
    """
    if unit:
        factor = ENERGY_EV.get(normalise_unit(unit))
        if factor is None:
            raise DataError(
                f"{where} has the unit {unit!r}; the unit must be J, eV or keV: set geometry.energy_ev=VALUE instead"
            )
        energy, note = value * factor, f"energy {value:g} {unit.strip()}"
    elif 0 < value < LARGEST_JOULE:
        energy, note = value / ELECTRON_C, f"energy {value:g} without unit, taken as joules because of its magnitude"
    else:
        energy, note = value, f"energy {value:g} without unit, taken as eV because of its magnitude"
    if not LOWEST_EV <= energy <= HIGHEST_EV:
        stated = f"{value:g} {unit}" if unit else f"{value:g} without unit"
        raise DataError(
            f"{where} is {stated}; the energy of a beam is below {LARGEST_JOULE:g} J and from {LOWEST_EV:g} to "
            f"{HIGHEST_EV:g} eV, so this may be the accelerator's: set geometry.energy_ev=VALUE"
        )
    return energy, f"{note}: {energy:.6g} eV ({where})"


def beam_energy(value: float | None, *, unit: str | None, where: str) -> tuple[float | None, tuple[str, ...]]:
    """Convert a beam energy to electronvolts as `energy_ev` does, but return None and a note if it is refused.

    The import continues, because the user may have set another energy.
    """
    if none_if_unknown(value) is None:
        return None, () if value is None else (f"{where} is {value:g}, so the energy is unknown",)
    try:
        energy, note = energy_ev(value, unit=unit, where=where)
    except DataError as error:
        return None, (f"the energy is ignored: {error}",)
    return energy, (note,)


def length_m(value: float, *, unit: str | None, where: str) -> float:
    """Convert a length to metres; without a unit it is in metres already.

    Raises:
        DataError: If the unit is unknown.
    """
    factor = LENGTH_M.get(normalise_unit(unit or "m"))
    if factor is None:
        raise DataError(f"{where} has the unit {unit!r}; it must be one of {', '.join(LENGTH_M)}: set the unit")
    return value * factor


def single_number(value: object, where: str) -> float:
    """Return a number, also from an array whose values agree to 1 in 1000.

    Raises:
        DataError: If the value is not a number, or the array is empty or its values differ.
    """
    try:
        values = np.asarray(value, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} contains {value!r}; it must be a number: name another key") from error
    if not values.size or np.ptp(values) > 1e-3 * np.abs(values).max():
        raise DataError(f"{where} contains {values.size} values; it must contain one number, or several equal ones")
    return float(values[0])


def whole_numbers(stored: object, where: str) -> np.ndarray:
    """Return an index as int64 (N,), rounded to whole numbers.

    Raises:
        DataError: If its values are no real numbers that int64 can represent.
    """
    values = np.asarray(stored).ravel()
    if values.dtype.kind not in "uif" or not (np.abs(values.astype(np.float64)) < 2.0**53).all():
        raise DataError(f"{where} is {values.dtype} and must be whole numbers below 2**53; name another index")
    return values.round().astype(np.int64)


def none_if_unknown(value: float | None) -> float | None:
    """Return the modulus of a length or energy; None if it is 0 or not finite, as writers store unknown values."""
    return None if value is None or not math.isfinite(value) or value == 0 else abs(value)


def square_pixel_side(height: float | None, width: float | None, where: str) -> float | None:
    """Return the side of a square pixel; None if both sides are unknown.

    Raises:
        DataError: If the pixel is not square to 1 in 1000.
    """
    sides = [side for side in (none_if_unknown(height), none_if_unknown(width)) if side is not None]
    if not sides:
        return None
    if max(sides) > 1.001 * min(sides):
        raise DataError(f"{where}: pixels are {height:g} m high and {width:g} m wide; resample them to square pixels")
    return sides[0]
