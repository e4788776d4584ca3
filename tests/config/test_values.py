"""Plain values against annotations, in words for users."""

import re
from typing import Annotated, Literal

import pytest
import torch

from ptycho_bench.config.values import Node, check_type
from ptycho_bench.physics.bounds import Count, Interval, Name, Seed, Share


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, int),
        (1, float),
        (0.5, Share),
        (None, Count | None),
        ([1, 2], list[int]),
        ((3, 4), tuple[Count, Count]),
        ("row", Literal["row", "column"]),
        (-1, Literal["auto", -1] | Count),
        ("a-b_1.5", Name),
        (object(), torch.Tensor),
    ],
)
def test_values_that_fit_are_accepted(value, annotation):
    check_type("x", value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        ("no", bool, "x must be true or false, got 'no'"),
        (True, int, "x must be a whole number, got true"),
        (True, float, "x must be a number, got true"),
        (1.0, int, "x must be a whole number, got 1.0"),
        (None, str, "x must be a text, got null"),
        ("", str, "x must not be empty"),
        (float("nan"), float, "x must be a finite number, got nan"),
        (float("inf"), float | None, "x must be a finite number, got inf"),
        (-1, Seed, "x must lie in [0, 4294967295], got -1"),
        (2, Annotated[float, Interval("[0, 1)", "75 % is written 0.75")], "x must lie in [0, 1), got 2; 75 % is"),
        ([5], tuple[int, int], "x must have 2 items, got [5]; write [first,second]"),
        ([1, "a"], list[int] | None, "each item of x must be a whole number, got 'a'"),
        (5, list[int] | None, "x must be a list such as [first,second,...] or null, got 5"),
        (list(range(10_001)), list[int], "x must have at most 10000 items, got 10001"),
        ("round", Literal["row", "column"] | None, "x must be row, column or null, got 'round'"),
        (5, Node | None, "x must be a group of values or null, got 5; write x.NAME=VALUE"),
        ("../x", Name, "x must consist of letters, digits, '.', '_', '+' and '-', at most 100, got '../x'"),
        ("a" * 999, Literal["a"], "x must be a, got 'aaa"),
    ],
)
def test_values_that_do_not_fit_are_refused_in_one_line(value, annotation, message):
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        check_type("x", value, annotation)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 200
