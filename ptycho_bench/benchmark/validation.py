"""Types of the plain data that files of benchmarks and plans contain."""

import math
import re
import shlex
from typing import Annotated

from pydantic import AfterValidator, PlainValidator

from ptycho_bench.config.validation import shortened

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.@/]*")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]*")
PROGRAM = "ptycho-"  # beginning of the name of each command of this project
CODE = ("_target_", "${")  # a class for Hydra to instantiate, and an interpolation


def refuse_code(text: str) -> str:
    """Return a string of an override, which must not name code."""
    if found := [part for part in CODE if part in text]:
        raise ValueError(f"must not contain {found[0]}, got {shortened(repr(text))}; a file cannot name code")
    return text


def override_key(text: str) -> str:
    """Return the key of an override."""
    if not KEY.fullmatch(text):
        raise ValueError(f"a key consists of letters, digits and _ . @ /, got {shortened(repr(text))}")
    return refuse_code(text)


def scalar(value: object) -> str | int | float | bool | None:
    """Return a single value of an override."""
    if isinstance(value, str):
        return refuse_code(value)
    if value is not None and (not isinstance(value, (int, float)) or not math.isfinite(value)):
        raise ValueError(f"must be a string, a finite number, true, false or null, got {shortened(repr(value))}")
    return value


def override_value(value: object) -> str | int | float | bool | list | None:
    """Return the value of an override: a single value or a list of these."""
    return [scalar(item) for item in value] if isinstance(value, list) else scalar(value)


def plain_name(text: str) -> str:
    """Return a name that is safe as a file name."""
    if not PLAIN_NAME.fullmatch(text):
        raise ValueError(f"a name consists of letters, digits and _ . + = -, got {shortened(repr(text))}")
    return text


def folder_below(text: str) -> str:
    """Return the path of a folder relative to outputs_dir, which it cannot leave."""
    if not all(PLAIN_NAME.fullmatch(part) for part in text.split("/")):
        raise ValueError(f"must be a relative path of plain names below outputs_dir, got {shortened(repr(text))}")
    return text


def command_line(text: str) -> str:
    """Return commands of this project, joined by `&&`, with every word quoted as `shlex.join` does it."""
    for command in text.split(" && ") if text else ():
        try:
            quoted = shlex.join(shlex.split(command))
        except ValueError:  # an open quotation
            quoted = None
        if quoted != command or not command.startswith(PROGRAM) or "\n" in command:
            raise ValueError(f"must consist of commands {PROGRAM}... joined by &&, got {shortened(repr(text))}")
    return text


def one_line(text: str) -> str:
    """Return text with each run of white space replaced by one space; there must be some text."""
    words = text.split()
    if not words:
        raise ValueError("must not be empty")
    return " ".join(words)


Text = Annotated[str, AfterValidator(one_line)]
Key = Annotated[str, AfterValidator(override_key)]
Scalar = Annotated[str | int | float | bool | None, PlainValidator(scalar)]
Value = Annotated[str | int | float | bool | list | None, PlainValidator(override_value)]
Name = Annotated[str, AfterValidator(plain_name)]
Commands = Annotated[str, AfterValidator(command_line)]
Folder = Annotated[str, AfterValidator(folder_below)]
