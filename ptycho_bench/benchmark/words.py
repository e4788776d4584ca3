"""Overrides as words of a command line and as file names, and the overrides by which two configurations differ."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ptycho_bench.benchmark.validation import Value
from ptycho_bench.config.overrides import quoted

PLAIN = re.compile(r"(?!null|true|false|nan|inf)[A-Za-z_/][\w./-]*", re.ASCII)


def as_words(overrides: Mapping[str, Value]) -> list[str]:
    """Return overrides as words of a command line, choices of options before values inside them.

    >>> as_words({"loss.alpha": 0.5, "loss": "weighted", "split.train_rows": [0, 10], "recipe.scheduler": None})
    ['loss=weighted', 'loss.alpha=0.5', 'split.train_rows=[0,10]', 'recipe.scheduler=null']
    """
    return [f"{key}={hydra_value(value)}" for key, value in sorted(overrides.items(), key=lambda pair: "." in pair[0])]


def hydra_value(value: Value) -> str:
    """Return a value in the syntax of a Hydra override.

    >>> hydra_value("outputs/runs/x.ckpt"), hydra_value("a b"), hydra_value([1, None])
    ('outputs/runs/x.ckpt', "'a b'", '[1,null]')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(hydra_value, value))}]"
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        return quoted(value)
    return str(value)


def slug(overrides: Mapping[str, Value]) -> str:
    """Return overrides as a short file name, which overrides of other groups may share.

    >>> slug({"data.overlap_ratio": 0.25, "region": "all"})
    'overlap_ratio-0.25-region-all'
    """
    words = (f"{key.rpartition('.')[2]}-{hydra_value(value)}" for key, value in overrides.items())
    return re.sub(r"[^\w.+-]+", "-", "-".join(words), flags=re.ASCII)


def below_here(path: Path) -> Path:
    """Return a path below the working directory relative to it, and any other path unchanged."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def differences(wanted: DictConfig, found: DictConfig, groups: Sequence[str]) -> dict[str, Value]:
    """Return the overrides that give each group of one configuration the values of another.

    Args:
        wanted: configuration with the values.
        found: configuration that the overrides are for, with the same options of the groups.
        groups: names of the groups.
    """
    known = dict(leaves({group: plain(found, group) for group in groups}))
    values = leaves({group: plain(wanted, group) for group in groups})
    return {key: value for key, value in values if key not in known or known[key] != value}


def plain(cfg: DictConfig, group: str) -> object:
    """Return a group of a configuration as plain data."""
    return OmegaConf.to_container(cfg[group], resolve=True)


def leaves(node: Mapping, prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield each value of nested mappings with its dotted key."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
