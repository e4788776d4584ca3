"""Bounds in signatures: what they contain, and calls that violate them."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest

from ptycho_bench.physics.bounds import Count, Interval, Name, Positive, bounded, check_bounds


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [("[0, 1)", (0, 0.5), (-0.1, 1, 2)), ("(0, 1e6]", (1e-9, 1e6), (0, 1e7)), ("[-3, 3]", (-3, 0, 3), (-4, 4))],
)
def test_brackets_include_an_end_and_parentheses_do_not(text, inside, outside):
    assert all(value in Interval(text) for value in inside)
    assert not any(value in Interval(text) for value in (*outside, float("nan"), float("inf")))


@pytest.mark.parametrize("name", ["a", "ppn_table2", "W-Net 3.1+x", "ä"])
def test_a_plain_name_stays_in_its_folder(name):
    check_bounds("study", name, Name)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a/b", "a\\b", "a\nb", "-x", "a" * 101])
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    with pytest.raises(ValueError, match="study must consist of letters, digits"):
        check_bounds("study", name, Name)


@bounded
def area(width: Positive, height: Annotated[float, Interval("(0, 9]", "9 is usual")] | None = None) -> float:
    """Return an area."""
    return width * (height or width)


@bounded
@dataclass(frozen=True, kw_only=True)
class Grid:
    rows: Count


def test_a_bounded_function_or_class_works_as_before():
    assert area(2.0, height=3) == 6 and area(np.float64(2)) == 4 and area.__doc__ == "Return an area."
    assert Grid(rows=3) == Grid(rows=3) and Grid(rows=2.0).rows == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: area(0), r"width must lie in \(0, 1e12\], got 0"),
        (lambda: area(float("nan")), "width must be a finite number, got nan"),
        (lambda: area(1, 10), r"height must lie in \(0, 9\], got 10; 9 is usual"),
        (lambda: Grid(rows=0), r"rows must lie in \[1, 1000000\], got 0"),
        (lambda: Grid(rows=1.5), "rows must be a whole number, got 1.5"),
    ],
)
def test_a_call_out_of_bounds_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
