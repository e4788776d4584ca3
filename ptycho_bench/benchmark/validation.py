"""Types of the plain data that files of benchmarks and plans contain."""

import re
import shlex
from typing import Annotated

from pydantic import AfterValidator, PlainValidator

from ptycho_bench.config.validation import shortened

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.@/]*")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]*")
LARGEST = 1e300
PROGRAM = "ptycho-"  # beginning of the name of each command of this project
CODE = ("_target_", "${")  # a class for Hydra to instantiate, and an interpolation
PLACES = ("hydra", "outputs_dir", "data_root", "study", "folder", "out", "overwrite", "logger")
LONGEST_KEY, LONGEST_VALUE, LONGEST_TEXT, LONGEST_LIST = 200, 1000, 5000, 10_000


def refuse_code(text: str) -> str:
    """Return a string of an override, which must be one short line and must not name code."""
    if len(text) > LONGEST_VALUE or not text.isprintable():
        raise ValueError(f"must be one line of at most {LONGEST_VALUE} letters, got {shortened(repr(text))}")
    if found := [part for part in CODE if part in text]:
        raise ValueError(f"must not contain {found[0]}, got {shortened(repr(text))}; a file cannot name code")
    return text


def override_key(text: str) -> str:
    """Return the key of an override."""
    if not KEY.fullmatch(text) or len(text) > LONGEST_KEY:
        raise ValueError(f"a key consists of letters, digits and _ . @ /, got {shortened(repr(text))}")
    if re.split("[.@/]", text)[0] in PLACES:
        raise ValueError(f"{text} chooses where files are written, which only a command line can; leave it out")
    return refuse_code(text)


def scalar(value: object) -> str | int | float | bool | None:
    """Return a single value of an override."""
    if isinstance(value, str):
        return refuse_code(value)
    if value is not None and (not isinstance(value, (int, float)) or not abs(value) < LARGEST):
        raise ValueError(f"must be a string, a finite number, true, false or null, got {shortened(repr(value))}")
    return value


def override_value(value: object) -> str | int | float | bool | list | None:
    """Return the value of an override: a single value or a list of these."""
    if isinstance(value, list) and len(value) > LONGEST_LIST:
        raise ValueError(f"a list has at most {LONGEST_LIST} items, got {len(value)}")
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
    line = " ".join(words)
    if len(line) > LONGEST_TEXT or not line.isprintable():
        raise ValueError(f"must be a printable text of at most {LONGEST_TEXT} letters, got {shortened(repr(line))}")
    return line


Text = Annotated[str, AfterValidator(one_line)]
Key = Annotated[str, AfterValidator(override_key)]
Scalar = Annotated[str | int | float | bool | None, PlainValidator(scalar)]
Value = Annotated[str | int | float | bool | list | None, PlainValidator(override_value)]
Name = Annotated[str, AfterValidator(plain_name)]
Commands = Annotated[str, AfterValidator(command_line)]
Folder = Annotated[str, AfterValidator(folder_below)]
