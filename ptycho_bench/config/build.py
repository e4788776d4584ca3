"""Build objects from plain descriptions: look up each class by its stable name, check its arguments, call it."""

import functools
import inspect
from collections.abc import Callable, Mapping

from omegaconf import OmegaConf

from ptycho_bench.config.description import KIND, PARTIAL, describe
from ptycho_bench.config.registry import resolve
from ptycho_bench.config.suggestions import did_you_mean
from ptycho_bench.config.values import check_type
from ptycho_bench.physics.bounds import Count


def build(node: object, *, group: str | None = None, **extra: object) -> object:
    """Build an object from a configuration node or from a description.

    Args:
        node: a configuration node or plain dict; classes are named under `_target_`, or `kind` as `describe` does.
        group: group of conf/ that must name every class; None allows all. For descriptions that come from a file.
        extra: arguments that the caller adds.

    Raises:
        ValueError: If a class is unknown, an argument is missing or unknown, or a value is of another type than its
            annotation.
    """
    described = describe(node) if OmegaConf.is_config(node) or "_target_" in node else node
    return construct(described, group, extra)


def construct(description: Mapping, group: str | None, extra: Mapping[str, object]) -> object:
    """Build the object that a description describes, inner objects first; see `build`."""
    target = resolve(description[KIND], group)
    values = {key: value for key, value in description.items() if key not in (KIND, PARTIAL)}
    check_arguments(description[KIND], target, values, extra, partial=bool(description.get(PARTIAL)))
    arguments = {key: construct_inner(value, group) for key, value in values.items()}
    made = functools.partial(target, **arguments, **extra)
    return made if description.get(PARTIAL) else made()


def construct_inner(value: object, group: str | None) -> object:
    """Build the objects inside a value; other values stay as they are."""
    if isinstance(value, Mapping):
        if KIND in value:
            return construct(value, group, {})
        return {key: construct_inner(item, group) for key, item in value.items()}
    if isinstance(value, list):
        return [construct_inner(item, group) for item in value]
    return value


def check_arguments(name: str, target: Callable, values: Mapping, extra: Mapping, *, partial: bool) -> None:
    """Check arguments against the signature of what will be called.

    Raises:
        ValueError: If an argument is unknown, missing, or of another type than its annotation.
    """
    takes = inspect.signature(target).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    for key, value in values.items():
        if key in extra:
            raise ValueError(f"{name} gets {key} from the program, which follows from other choices; remove it")
        if key in takes:
            if not (isinstance(value, Mapping) and KIND in value):
                check_type(f"{name}: {key}", value, takes[key].annotation)
        elif not open_ended:
            raise ValueError(f"{name} takes no {key!r}{did_you_mean(key, takes)}; it takes {', '.join(takes)}")
    required = {key for key, parameter in takes.items() if parameter.default is parameter.empty and not open_ended}
    if not partial and (missing := sorted(required - set(values) - set(extra))):
        raise ValueError(f"{name} needs {', '.join(missing)}; give each a value, or choose a file of conf/ that does")


def check_batch_size(value: object) -> None:
    """Check that a batch size is a whole number of at least 1 and at most 1,000,000.

    Raises:
        ValueError: If it is not.
    """
    check_type("batch_size", value, Count)
