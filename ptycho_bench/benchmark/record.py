"""Typed look-ups in the JSON files of a run: a missing value is None, and a value of the wrong type is an error."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ptycho_bench.config.validation import shortened
from ptycho_bench.records.run_folder import RESULTS, RunFolder

LARGEST, INFINITE = 1e100, (math.inf, -math.inf)  # number in a record
LONGEST_TEXT = 300  # letters of a text from a record in a report


@dataclass(frozen=True)
class Record:
    """Content of results.json, or of a profile.

    Args:
        file: the file, for messages.
        content: its content.
    """

    file: Path
    content: Mapping

    @classmethod
    def of_run(cls, folder: Path) -> Self | None:
        """Return the record of a run, or None if the run is not finished.

        Raises:
            ValueError: If results.json is damaged or has no metrics.
        """
        file = folder / RESULTS
        try:
            content = RunFolder(folder).results()
        except RecursionError:
            content = ()
        if content is None:
            return None
        if not isinstance(content, Mapping) or not isinstance(content.get("metrics"), Mapping):
            raise ValueError(f"{file} has no metrics, so it is not the record of a run; delete it and repeat the run")
        return cls(file, content)

    @classmethod
    def of_profile(cls, file: Path) -> Self:
        """Return a profile that ptycho-profile has written.

        Raises:
            ValueError: If the file is damaged.
        """
        try:
            content = json.loads(file.read_text())
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, Mapping):
            raise ValueError(f"{file} is not a profile; delete it and run ptycho-profile again")
        return cls(file, content)

    def at(self, *keys: str) -> object:
        """Return the value under nested keys, or None if there is none.

        Raises:
            ValueError: If a key before the last one does not contain a mapping.
        """
        value: object = self.content
        for place, key in enumerate(keys):
            if value is None:
                return None
            if not isinstance(value, Mapping):
                raise self.mismatch(keys[:place], "a mapping", value)
            value = value.get(key)
        return value

    def number(self, *keys: str) -> float | None:
        """Return the number under nested keys, or None if there is none or it is infinite.

        Raises:
            ValueError: If there is something else.
        """
        value = self.at(*keys)
        if not is_number(value):
            raise self.mismatch(keys, "a number", value)
        return finite(value)

    def pair(self, *keys: str) -> tuple[float | None, float | None]:
        """Return the two numbers under nested keys, or None for each that is missing or infinite.

        Raises:
            ValueError: If there is something else.
        """
        found = [None, None] if self.at(*keys) is None else self.at(*keys)
        numbers = isinstance(found, list) and len(found) == 2 and all(map(is_number, found))
        if not numbers:
            raise self.mismatch(keys, "two numbers", found)
        return tuple(map(finite, found))

    def text(self, *keys: str) -> str:
        """Return the text under nested keys in one line, cut to 300 letters, or an empty string if there is none.

        Raises:
            ValueError: If there is something else.
        """
        value = self.at(*keys)
        if value is not None and not isinstance(value, str):
            raise self.mismatch(keys, "text", value)
        return " ".join((value or "").split())[:LONGEST_TEXT]

    def mismatch(self, keys: tuple[str, ...], kind: str, value: object) -> ValueError:
        """Return the error for a value of the wrong type."""
        return ValueError(f"{self.file}: {'.'.join(keys)} must be {kind}, got {shortened(repr(value))}")


def is_number(value: object) -> bool:
    """Return True for a number that a table can show, or None for a missing one."""
    return value is None or (type(value) in (int, float) and (not abs(value) > LARGEST or value in INFINITE))


def finite(value: float | None) -> float | None:
    """Return a number, or None if it is infinite."""
    return None if value in INFINITE else value
