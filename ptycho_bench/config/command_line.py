"""Prepare the words of any command for Hydra: flags anywhere, paths as they are written, one option for each group."""

import re

import yaml

from ptycho_bench.config.options import option_groups
from ptycho_bench.config.overrides import quoted
from ptycho_bench.config.suggestions import did_you_mean
from ptycho_bench.config.yaml_bounds import check_config_folder

PATHS = ("out", "folder", "files", "checkpoint", "warm_start", "region_of", "outputs_dir", "data_root")  # and *_path
VALUED = ("-c", "--cfg", "-p", "--package", "-cd", "--config-dir")  # flags of Hydra that are followed by a value
FLAGS = ("-m", "--multirun", "--resolve", "--hydra-help", "-i", "--info", "-sc", "--shell-completion", *VALUED)
SHOWN = ("job", "hydra", "all")  # values of --cfg
OPTIONAL = ("preset", "experiment", "hydra")  # groups that may have no option


def hydra_words(words: list[str]) -> list[str]:
    """Return a command line as Hydra reads it.

    Args:
        words: overrides, and Hydra's flags at any place.

    Raises:
        ValueError: If a flag is unknown or has no value, a word is neither flag nor override, or a group is given
            something else than the name of an option.
    """
    flags, overrides, words = [], [], list(words)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            check_override(word)
            overrides.append(literal_path(word))
            continue
        name, equals, value = word.partition("=")
        if name not in FLAGS:
            raise ValueError(f"no flag {name!r}{did_you_mean(name, FLAGS)}; see --help")
        flags.append(name)
        if name in VALUED:
            flags.append(value if equals else words.pop(0) if words else "")
            check_flag(name, flags[-1])
    return flags + overrides


def check_flag(name: str, value: str) -> None:
    """Check the value of a flag.

    Raises:
        ValueError: If it is missing or unknown.
    """
    if name in ("-c", "--cfg") and value not in SHOWN:
        raise ValueError(f"{name} must be followed by {', '.join(SHOWN[:-1])} or {SHOWN[-1]}, got {value!r}")
    if not value or value.startswith("-"):
        raise ValueError(f"{name} must be followed by a value, got {value!r}")
    if name in ("-cd", "--config-dir"):
        check_config_folder(value)


def check_override(word: str) -> None:
    """Check that a word is an override, and that it gives a group the name of an option.

    Raises:
        ValueError: If not.
    """
    key, equals, value = word.partition("=")
    group = key.lstrip("+~")
    if not group or not (equals or word.startswith("~")):
        raise ValueError(f"cannot read {word!r}; write key=value, see --help")
    if group not in option_groups() or word.startswith("~"):
        return
    if value[:1] in ("[", "{"):
        raise ValueError(f"{group} takes one option, got {value}; for one run after another write -m {group}=A,B")
    if not is_text(value) and group not in OPTIONAL:
        raise ValueError(f"{group} must be one of the options of conf/{group}, see --help; got {value!r}")


def is_text(value: str) -> bool:
    """Return False for what YAML reads as a number, true, false, null or nothing."""
    try:
        return isinstance(yaml.safe_load(value), str)
    except yaml.YAMLError:
        return True


def literal_path(word: str) -> str:
    """Return an override whose value, if it is a path, is not interpolated.

    >>> literal_path("out=${oc.env:HOME}.h5"), literal_path("seed=${x}")
    ("out='\\\\${oc.env:HOME}.h5'", 'seed=${x}')
    """
    key, _, value = word.partition("=")
    last = key.lstrip("+").rpartition(".")[2]
    if "${" not in value or not (last in PATHS or last.endswith("_path")):
        return word
    if value[0] in "'\"[":  # as `config.overrides` writes it
        return f"{key}=" + re.sub(r"(?<!\\)\$\{", r"\\${", value)
    return f"{key}={quoted(value)}"
