"""Plain data read from a file, checked by pydantic; a refusal is one line that names the place and the value."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, ValidationError, model_validator

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.@/]*")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]*")
CODE = ("_target_", "${")  # a class for Hydra to instantiate, and an interpolation
LONGEST_SHOWN = 60  # characters of a refused value


class Strict(BaseModel):
    """Base of models that refuse unknown keys and convert no types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def refuse_unknown_keys(cls, data: object) -> object:
        """Refuse unknown keys in a message that lists the known ones."""
        unknown = [str(key) for key in data if key not in cls.model_fields] if isinstance(data, Mapping) else []
        if unknown:
            known = ", ".join(field for field in cls.model_fields if field != "name")  # a file's name gives it
            raise ValueError(f"unknown key {shortened(', '.join(unknown))}; known are {known}")
        return data


Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], data: object, where: str) -> Model:
    """Return plain data as a model.

    Args:
        model: class of the result.
        data: plain data, or the bytes of a JSON file.
        where: what the data describe; the message starts with it.

    Raises:
        ValueError: If the data do not fit the model.
    """
    try:
        return model.model_validate_json(data) if isinstance(data, bytes) else model.model_validate(data)
    except ValidationError as error:
        raise ValueError(f"{where}: {first_problem(error)}") from None


def first_problem(error: ValidationError) -> str:
    """Return the first problem that pydantic found, in one line."""
    problem = error.errors(include_url=False)[0]
    place = " ".join(".".join(str(part) for part in problem["loc"] if part != "[key]").split())
    text = problem["msg"].removeprefix("Value error, ")
    if problem["type"] not in ("missing", "value_error", "json_invalid"):
        text += f", got {shortened(repr(problem['input']))}"
    return f"{place}: {text}" if place else text


def shortened(text: str) -> str:
    """Return text cut to the length that a message can show."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


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
Folder = Annotated[str, AfterValidator(folder_below)]
