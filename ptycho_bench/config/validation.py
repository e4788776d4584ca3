"""Check plain data from a file with pydantic; an error is one line that names the place and the value."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

LONGEST_SHOWN = 60  # characters of a refused value


class Strict(BaseModel):
    """Base class of models that refuse unknown keys and convert no types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def refuse_unknown_keys(cls, data: object) -> object:
        """Refuse unknown keys in a message that lists the known ones."""
        keys = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = [str(key) for key in data if key not in keys] if isinstance(data, Mapping) else []
        if unknown:
            known = ", ".join(key for key in keys if key != "name")  # a file's name gives it
            raise ValueError(f"unknown key {shortened(', '.join(unknown))}; known are {known}")
        return data


Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], data: object, where: str) -> Model:
    """Convert plain data to a model.

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
