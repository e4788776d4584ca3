"""Check plain values against the annotations of signatures, in messages that need no Python."""

import typing
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from ptycho_bench.physics.bounds import check_bounds, kinds_of

LONGEST_LIST = 10_000  # items; no list that a user writes is longer
LONGEST_SHOWN = 60  # characters of a refused value
WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
    dict: "a group of values",
}


class AnyPart(type):
    """Class of `Node`, whose attributes and items are `Node` too: `nn.Module`, `Callable[..., Split]`."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("_"):
            raise AttributeError(name)
        return cls

    def __getitem__(cls, item: object) -> type:
        return cls


class Node(metaclass=AnyPart):
    """Stands in an annotation for an object that a configuration describes by a group of values with `_target_`."""


def check_type(name: str, value: object, annotation: object) -> None:
    """Check that a plain value has its annotated type and lies within its annotated bounds.

    An int is accepted as a float. Numbers must be finite. Annotations that plain values cannot have, such as tensors,
    are not checked.

    Args:
        name: of the value, for the message.
        value: plain value of a configuration.
        annotation: scalar types, `Literal`, lists and tuples of these, and unions, with bounds in `Annotated`.

    Raises:
        ValueError: If the value has another type or is out of bounds.
    """
    kinds = kinds_of(annotation)
    if not all(map(is_checked, kinds)):
        return
    listed = [kind for kind in map(bare, kinds) if typing.get_origin(kind) in (list, tuple)]
    if listed and isinstance(value, Sequence) and not isinstance(value, str):
        check_items(name, value, listed[0])
        return
    fitting = [kind for kind in kinds if has_type(value, bare(kind))]
    if not fitting:
        hint = f"; write {name}.NAME=VALUE" if Node in kinds else ""
        raise ValueError(f"{name} must be {wording(kinds)}, got {shown(value)}{hint}")
    if value == "":
        raise ValueError(f"{name} must not be empty")
    check_bounds(name, value, fitting[0])


def check_items(name: str, values: Sequence, annotation: object) -> None:
    """Check the items of a list, or of a tuple, whose length is fixed."""
    if len(values) > LONGEST_LIST:
        raise ValueError(f"{name} must have at most {LONGEST_LIST} items, got {len(values)}")
    items = typing.get_args(annotation)
    if typing.get_origin(annotation) is list:
        items = items * len(values)
    if len(values) != len(items):
        raise ValueError(f"{name} must have {len(items)} items, got {shown(list(values))}; write {example(annotation)}")
    for value, item in zip(values, items, strict=True):
        check_type(f"each item of {name}", value, item)


def bare(annotation: object) -> Any:
    """Return an annotation without what `Annotated` adds."""
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation


def is_checked(annotation: object) -> bool:
    """Return True for an annotation that `check_type` knows."""
    kind = bare(annotation)
    return kind is Node or kind in WORDS or typing.get_origin(kind) in (list, tuple, Literal)


def has_type(value: object, kind: Any) -> bool:
    """Return True for a value of a scalar type, or one of the choices of a `Literal`; true is not a number."""
    if typing.get_origin(kind) is Literal:
        return any(type(value) is type(choice) and value == choice for choice in typing.get_args(kind))
    if kind is Node:  # a group of values with `_target_` is checked by itself
        return False
    return type(value) in (int, float) if kind is float else type(value) is kind


def wording(kinds: Sequence[object]) -> str:
    """Return the types of a union in words.

    >>> wording((float, type(None)))
    'a number or null'
    >>> wording((Literal["row", "column"],))
    'row or column'
    """
    parts: list[str] = []
    for kind in map(bare, kinds):
        if typing.get_origin(kind) is Literal:
            parts += map(str, typing.get_args(kind))
        elif kind is Node:
            parts.append("a group of values")
        else:
            parts.append(WORDS.get(kind, f"a list such as {example(kind)}"))
    return " or ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def example(annotation: object) -> str:
    """Return a list as one writes it on a command line.

    >>> example(tuple[int, int]), example(list[float])
    ('[first,second]', '[first,second,...]')
    """
    if typing.get_origin(annotation) is list:
        return "[first,second,...]"
    return f"[{','.join(('first', 'second', 'third', 'fourth')[: len(typing.get_args(annotation))])}]"


def shown(value: object) -> str:
    """Return a refused value as a message shows it.

    >>> shown(None), shown(True), shown("x")
    ('null', 'true', "'x'")
    """
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."
