"""Bounds of arguments, written into signatures: `photons: Positive` or `alpha: Annotated[float, Interval("[0, 1]")]`.

A configuration is checked against the signatures of the classes that it names, see `config.signatures`. The decorator
`bounded` checks calls from Python in the same way.
"""

import functools
import inspect
import math
import re
import types
import typing
from collections.abc import Callable
from typing import Annotated, TypeVar


class Interval:
    """Interval of numbers, for an annotation.

    >>> 0.5 in Interval("[0, 1)"), 1 in Interval("[0, 1)")
    (True, False)

    Args:
        text: as mathematicians write it, for example `(0, 1e6]`; a bracket includes its end, a parenthesis does not.
        hint: what a message adds, for example `75 % is written 0.75`.
    """

    def __init__(self, text: str, hint: str = "") -> None:
        self.text, self.hint = text, hint
        self.low, self.high = map(float, text[1:-1].split(","))

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.text[0] == "[" else value > self.low
        return above and (value <= self.high if self.text[-1] == "]" else value < self.high)

    def check(self, name: str, value: object) -> None:
        """Raise ValueError if a number lies outside; texts and other values are not checked."""
        if isinstance(value, (int, float)) and value not in self:
            hint = f"; {self.hint}" if self.hint else ""
            raise ValueError(f"{name} must lie in {self.text}, got {value}{hint}")


class Plain:
    """Text that can be the name of a file or folder and leads to no other folder, for an annotation."""

    pattern = re.compile(r"\w[\w.+ -]{0,99}")

    def check(self, name: str, value: object) -> None:
        """Raise ValueError if a text is no plain name."""
        if isinstance(value, str) and not self.pattern.fullmatch(value):
            raise ValueError(
                f"{name} must consist of letters, digits, '.', '_', '+' and '-', at most 100, got {value[:120]!r}"
            )


Name = Annotated[str, Plain()]
Seed = Annotated[int, Interval("[0, 4294967295]")]
Index = Annotated[int, Interval("[0, 1000000]")]
Count = Annotated[int, Interval("[1, 1000000]")]
Pixels = Annotated[int, Interval("[1, 16384]")]  # side of an image
Width = Annotated[int, Interval("[1, 65536]")]  # channels of a layer
Depth = Annotated[int, Interval("[1, 128]")]  # number of layers or heads, or side of a kernel
Metres = Annotated[float, Interval("(0, 1000]")]
Positive = Annotated[float, Interval("(0, 1e12]")]
NonNegative = Annotated[float, Interval("[0, 1e12]")]
Photons = Annotated[float, Interval("(0, 1e12]", "give the number per diffraction pattern")]
Overlap = Annotated[float, Interval("[0, 1)", "75 % is written 0.75")]
Jitter = Annotated[int, Interval("[0, 16384]")]
Angle = Annotated[float, Interval("[-1000, 1000]")]  # radians
Neighbours = Annotated[int, Interval("[0, 5]", "1 is a 3 x 3 neighbourhood")]
Dropout = Annotated[float, Interval("[0, 1)", "10 % is written 0.1")]
Share = Annotated[float, Interval("[0, 1]", "50 % is written 0.5")]
Fraction = Annotated[float, Interval("(0, 1)", "5 % is written 0.05")]


def check_bounds(name: str, value: object, annotation: object) -> None:
    """Check a value against what `Annotated` adds to its type; numbers must also be finite.

    Args:
        name: of the value, for the message.
        value: any value; other values than numbers and texts are not checked.
        annotation: of the value, one type and no union.

    Raises:
        ValueError: If the value is out of bounds.
    """
    if isinstance(value, bool):
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value}")
    if isinstance(value, float) and typing.get_args(annotation)[:1] == (int,) and not value.is_integer():
        raise ValueError(f"{name} must be a whole number, got {value}")
    for added in getattr(annotation, "__metadata__", ()):
        if isinstance(added, (Interval, Plain)):
            added.check(name, value)


def kinds_of(annotation: object) -> tuple[object, ...]:
    """Return the members of a union, or the annotation alone."""
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)


Made = TypeVar("Made", bound=Callable)


def bounded(made: Made) -> Made:
    """Decorate a function or class so that a call with a number outside its annotated bounds raises ValueError."""
    call = made.__init__ if inspect.isclass(made) else made
    signature = inspect.signature(call)

    @functools.wraps(call)
    def checked(*args: object, **kwargs: object) -> object:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            for kind in kinds_of(signature.parameters[name].annotation):
                check_bounds(name, value, kind)
        return call(*args, **kwargs)

    if inspect.isclass(made):
        made.__init__ = checked
        return made
    return checked
