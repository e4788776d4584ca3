"""Plain values in place of configuration nodes: what files store, identities hash, and `config.build` builds from."""

import re
from collections.abc import Mapping

from omegaconf import OmegaConf

from ptycho_bench.config.registry import name_of

KIND, PARTIAL = "kind", "partial"
Plain = dict | list | str | int | float | bool | None
KEY = re.compile(r"[A-Za-z_]\w*")
DEEPEST, LONGEST = 8, 1000  # largest number of levels, and of characters of a text, in a file


def plain_values(node: object) -> Plain:
    """Return a configuration node as dicts, lists, strings and numbers, with its interpolations resolved.

    Raises:
        MissingMandatoryValue: If a value is `???`.
    """
    return OmegaConf.to_container(node, resolve=True, throw_on_missing=True) if OmegaConf.is_config(node) else node


def describe(node: object) -> Plain:
    """Return a node with the stable name of each class under `kind` in place of its `_target_`.

    Args:
        node: a configuration node, or plain values that still have `_target_`.

    Returns:
        Plain values; a class that is completed later (`_partial_: true`) has `partial: true`.

    Raises:
        ValueError: If a class is unknown (see `registry.name_of`).
    """
    value = plain_values(node)
    if isinstance(value, list):
        return [describe(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    described = {key: describe(item) for key, item in value.items() if key not in ("_target_", "_partial_")}
    if "_target_" not in value:
        return described
    partial = {PARTIAL: True} if value.get("_partial_") else {}
    return {KIND: name_of(value["_target_"]), **partial, **described}


def without_paths(described: Plain) -> Plain:
    """Return a description without file names: a file that stores it must not determine which files are read."""
    if not isinstance(described, dict):
        return described
    kept = {key: value for key, value in described.items() if not (key.endswith("_path") or key == "source")}
    return {key: without_paths(value) for key, value in kept.items()}


def check_stored(value: object, where: str, depth: int = 0) -> None:
    """Check values that a file stores as a description.

    Args:
        value: what was read.
        where: place of the value, for the message.
        depth: number of levels above it.

    Raises:
        ValueError: If a value is not plain, names code, or contains an interpolation.
    """
    if depth > DEEPEST:
        raise ValueError(f"{where} is nested more than {DEEPEST} levels deep")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not KEY.fullmatch(key) or key.startswith("_"):
                raise ValueError(f"{where} has the key {str(key)[:40]!r}, which no description may contain")
            check_stored(item, f"{where}.{key}", depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_stored(item, where, depth + 1)
    elif isinstance(value, str):
        if "${" in value or len(value) > LONGEST or not value.isprintable():
            raise ValueError(f"{where} is the text {value[:40]!r}, which no description may contain")
    elif not (value is None or isinstance(value, (bool, int, float))):
        raise ValueError(f"{where} is a {type(value).__name__}; a description contains numbers, texts and lists")
