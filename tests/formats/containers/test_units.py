"""Energies and lengths: every decision is noted, and errors name the value."""

import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.units import (
    beam_energy,
    energy_ev,
    length_m,
    none_if_unknown,
    single_number,
    square_pixel_side,
    whole_numbers,
)


@pytest.mark.parametrize(
    ("value", "unit"),
    [(1.4099154e-15, None), (1.4099154e-15, "J"), (8800.0, None), (8800.0, "eV"), (8.8, "keV"), (8.8, " KEV ")],
)
def test_all_units_of_energy_agree(value, unit):
    energy, note = energy_ev(value, unit=unit, where="scan.cxi: energy")
    assert energy == pytest.approx(8800, rel=1e-6)
    assert "scan.cxi: energy" in note
    assert ("without unit" in note) == (unit is None)


@pytest.mark.parametrize("value", [8.8, 3e9, 0.0, -8800.0, float("nan"), 1e-9, 1e-30])
def test_an_energy_out_of_range_is_refused_with_its_value(value):
    with pytest.raises(DataError, match=f"{value:g} without unit.*energy_ev=VALUE".replace("+", r"\+")):
        energy_ev(value, unit=None, where="scan.cxi: energy")


def test_a_stated_unit_takes_precedence_over_the_magnitude():
    with pytest.raises(DataError, match=r"8\.8 J"):
        energy_ev(8.8, unit="J", where="e")
    with pytest.raises(DataError, match="'GeV'"):
        energy_ev(3.0, unit="GeV", where="e")


def test_the_note_on_an_ignored_energy_gives_the_reason():
    energy, notes = beam_energy(3e9, unit=None, where="source_1/energy")
    assert energy is None
    assert "the energy is ignored: source_1/energy is 3e+09" in notes[0]
    assert beam_energy(None, unit=None, where="e") == (None, ())
    assert beam_energy(0.0, unit="eV", where="e") == (None, ("e is 0, so the energy is unknown",))


@pytest.mark.parametrize(
    ("unit", "metres"),
    [
        (None, 1),
        ("m", 1),
        ("mm", 1e-3),
        ("um", 1e-6),
        ("µm", 1e-6),
        ("microns", 1e-6),
        ("nm", 1e-9),
        ("Angstrom", 1e-10),
    ],
)
def test_lengths_are_converted_to_metres(unit, metres):
    assert length_m(2.0, unit=unit, where="z") == pytest.approx(2 * metres)


def test_an_unknown_unit_of_length_is_refused():
    with pytest.raises(DataError, match="'furlong'"):
        length_m(1.0, unit="furlong", where="z")


def test_zero_and_nan_are_unknown():
    assert none_if_unknown(0.0) is None
    assert none_if_unknown(float("nan")) is None
    assert none_if_unknown(-2.0) == 2.0


def test_only_square_pixels_are_accepted():
    assert square_pixel_side(75e-6, 75e-6, "d") == 75e-6
    assert square_pixel_side(None, 75e-6, "d") == 75e-6
    assert square_pixel_side(0.0, None, "d") is None
    with pytest.raises(DataError, match=r"7\.5e-05 m high and 5e-05 m wide"):
        square_pixel_side(75e-6, 50e-6, "d")


def test_a_number_may_be_an_array_of_equal_values():
    assert single_number(np.array([[8.8]]), "e") == 8.8
    assert single_number(np.array([8.8, 8.8001]), "e") == 8.8
    with pytest.raises(DataError, match="contains 2 values"):
        single_number(np.array([8.8, 9.0]), "e")
    with pytest.raises(DataError, match="it must be a number"):
        single_number("eight", "e")
    with pytest.raises(DataError, match="contains 0 values"):
        single_number(np.zeros(0), "e")


def test_an_index_is_rounded_and_must_be_whole_numbers():
    assert whole_numbers([[0.0, 1.0], [2.2, 3.0]], "x").tolist() == [0, 1, 2, 3]
    for values in ([np.nan], [np.inf], [1e300], [1j], ["a"], [True]):
        with pytest.raises(DataError, match=r"places is \S+ and must be whole numbers below 2\*\*53"):
            whole_numbers(values, "places")
