"""Energies and lengths: every decision is said, every doubt refused with its value."""

import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.units import beam_energy, energy_ev, first_number, known, length_m, square_pixel


@pytest.mark.parametrize(
    ("value", "unit"),
    [(1.4099154e-15, None), (1.4099154e-15, "J"), (8800.0, None), (8800.0, "eV"), (8.8, "keV"), (8.8, " KEV ")],
)
def test_every_way_to_state_an_energy_agrees(value, unit):
    energy, note = energy_ev(value, unit=unit, where="scan.cxi: energy")
    assert energy == pytest.approx(8800, rel=1e-6)
    assert "scan.cxi: energy" in note
    assert ("without unit" in note) == (unit is None)


@pytest.mark.parametrize("value", [8.8, 3e9, 0.0, -8800.0, float("nan"), 1e-9, 1e-30])
def test_an_energy_of_no_beam_is_refused_with_its_value(value):
    with pytest.raises(DataError, match=f"{value:g} without unit.*energy_ev=VALUE".replace("+", r"\+")):
        energy_ev(value, unit=None, where="scan.cxi: energy")


def test_a_stated_unit_counts_more_than_the_magnitude():
    with pytest.raises(DataError, match=r"8\.8 J"):
        energy_ev(8.8, unit="J", where="e")
    with pytest.raises(DataError, match="'GeV'"):
        energy_ev(3.0, unit="GeV", where="e")


def test_an_energy_left_out_says_why():
    energy, notes = beam_energy(3e9, unit=None, where="source_1/energy")
    assert energy is None
    assert "energy left out: source_1/energy is 3e+09" in notes[0]
    assert beam_energy(None, unit=None, where="e") == (None, ())
    assert beam_energy(0.0, unit="eV", where="e") == (None, ("e is 0: not known",))


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
def test_lengths_are_metres(unit, metres):
    assert length_m(2.0, unit=unit, where="z") == pytest.approx(2 * metres)


def test_an_unknown_unit_of_length_is_refused():
    with pytest.raises(DataError, match="'furlong'"):
        length_m(1.0, unit="furlong", where="z")


def test_zero_and_nan_are_not_known():
    assert known(0.0) is None
    assert known(float("nan")) is None
    assert known(-2.0) == 2.0


def test_only_square_pixels_pass():
    assert square_pixel(75e-6, 75e-6, "d") == 75e-6
    assert square_pixel(None, 75e-6, "d") == 75e-6
    assert square_pixel(0.0, None, "d") is None
    with pytest.raises(DataError, match=r"7\.5e-05 m high, 5e-05 m wide"):
        square_pixel(75e-6, 50e-6, "d")


def test_a_number_may_come_in_an_array_but_only_one():
    assert first_number(np.array([[8.8]]), "e") == 8.8
    assert first_number(np.array([8.8, 8.8001]), "e") == 8.8
    with pytest.raises(DataError, match="2 values that differ"):
        first_number(np.array([8.8, 9.0]), "e")
    with pytest.raises(DataError, match="a number is needed"):
        first_number("eight", "e")
    with pytest.raises(DataError, match="0 values"):
        first_number(np.zeros(0), "e")
