"""Energies and lengths as files state them, in electronvolt and metres; every decision comes with a note."""

import math

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.physics.geometry import ELECTRON_C

ENERGY_EV = {"ev": 1.0, "kev": 1e3, "mev": 1e6, "j": 1 / ELECTRON_C, "joule": 1 / ELECTRON_C}
LENGTH_M = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "a": 1e-10, "pm": 1e-12}
SAME = {"metre": "m", "meter": "m", "micron": "um", "micrometer": "um", "micrometre": "um", "millimeter": "mm"}
SAME |= {"nanometer": "nm", "nanometre": "nm", "angstrom": "a", "å": "a", "joules": "joule", "electronvolt": "ev"}
LOWEST_EV, HIGHEST_EV = 50.0, 1e6
LARGEST_JOULE = 1e-12


def plain_unit(unit: str) -> str:
    """Unit in lower case, ASCII, singular, one spelling; the prefix M of MeV is read as mega."""
    text = unit.strip().lower().replace("µ", "u").replace("μ", "u")
    return SAME.get(text, SAME.get(text.removesuffix("s"), text))


def energy_ev(value: float, *, unit: str | None, where: str) -> tuple[float, str]:
    """Beam energy in electronvolt, and what was decided.

    Args:
        value: as the file has it.
        unit: as the file or the format has it; None: decided by magnitude.
        where: file and key, for messages.

    Raises:
        DataError: the unit is not known, or the energy is none of a beam.
    """
    if unit:
        factor = ENERGY_EV.get(plain_unit(unit))
        if factor is None:
            raise DataError(f"{where} is in {unit!r}; J, eV and keV are known; give it as geometry.energy_ev=VALUE")
        energy, note = value * factor, f"energy {value:g} {unit.strip()}"
    elif 0 < value < LARGEST_JOULE:
        energy, note = value / ELECTRON_C, f"energy {value:g} without unit: joule, by its magnitude"
    else:
        energy, note = value, f"energy {value:g} without unit: eV, by its magnitude"
    if not LOWEST_EV <= energy <= HIGHEST_EV:
        stated = f"{value:g} {unit}" if unit else f"{value:g} without unit"
        raise DataError(
            f"{where} is {stated}; no photon's in joule (below {LARGEST_JOULE:g}), nor {LOWEST_EV:g} to "
            f"{HIGHEST_EV:g} eV: the machine's? give the beam's as geometry.energy_ev=VALUE"
        )
    return energy, f"{note}: {energy:.6g} eV ({where})"


def beam_energy(value: float | None, *, unit: str | None, where: str) -> tuple[float | None, tuple[str, ...]]:
    """As `energy_ev`, but an energy that is refused is left out, and its note says why: the user may give another."""
    if known(value) is None:
        return None, () if value is None else (f"{where} is {value:g}: not known",)
    try:
        energy, note = energy_ev(value, unit=unit, where=where)
    except DataError as error:
        return None, (f"energy left out: {error}",)
    return energy, (note,)


def length_m(value: float, *, unit: str | None, where: str) -> float:
    """A length in metres; without a unit it is one already.

    Raises:
        DataError: the unit is not known.
    """
    factor = LENGTH_M.get(plain_unit(unit or "m"))
    if factor is None:
        raise DataError(f"{where} is in {unit!r}; known are {', '.join(LENGTH_M)}; state the unit")
    return value * factor


def first_number(value: object, where: str) -> float:
    """A number, also one in an array whose entries agree to 1 in 1000.

    Raises:
        DataError: it is none.
    """
    try:
        values = np.asarray(value, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} holds {value!r}; a number is needed") from error
    if not values.size or np.ptp(values) > 1e-3 * np.abs(values).max():
        raise DataError(f"{where} holds {values.size} values that differ; one number is needed")
    return float(values[0])


def known(value: float | None) -> float | None:
    """A length or energy that says something: writers put 0 or NaN where they do not know."""
    return None if value is None or not math.isfinite(value) or value == 0 else abs(value)


def square_pixel(height: float | None, width: float | None, where: str) -> float | None:
    """Side of a square pixel; None where neither side is known.

    Raises:
        DataError: the pixel is not square to 1 in 1000.
    """
    sides = [side for side in (known(height), known(width)) if side is not None]
    if not sides:
        return None
    if max(sides) > 1.001 * min(sides):
        raise DataError(f"{where}: pixels are {height:g} m high, {width:g} m wide; bin or resample them to squares")
    return sides[0]
