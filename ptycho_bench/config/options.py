"""Check every value of a composed configuration before anything heavy is imported; torch stays unimported."""

from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from ptycho_bench.config.region import region_named
from ptycho_bench.config.registry import TORCH_MODULES, name_of
from ptycho_bench.config.roots import COMMON, PLAIN_GROUPS, ROOTS
from ptycho_bench.config.signatures import definition, parameters
from ptycho_bench.config.suggestions import did_you_mean
from ptycho_bench.config.together import check_devices, check_named_files, check_together
from ptycho_bench.config.values import check_type
from ptycho_bench.physics.bounds import Name

MISSING = {  # what to do if a value without default is not given; {key} in any other case
    "checkpoint": "no checkpoint is named; a finished run has one: outputs/runs/STUDY/RUN/best.ckpt",
    "files": "no file is named; name all files of one scan, for example scan.h5",
    "tables": "no benchmark is named; write benchmark=NAME, benchmark=[NAME,NAME] or benchmark=all",
}
NO_VALUE = "{key} has no value; give it on the command line as {key}=VALUE"
SPECIAL = ("_target_", "_partial_")


def checked(cfg: DictConfig, root: str) -> DictConfig:
    """Return the configuration of the job that Hydra runs, after `check_options`."""
    check_options(cfg, root, HydraConfig.get().runtime.choices)
    return cfg


def check_options(
    cfg: DictConfig, root: str, choices: Mapping[str, str | None], *, later: Collection[str] = ()
) -> None:
    """Check the values of a command.

    Args:
        cfg: composed configuration.
        root: name of its root file in conf/.
        choices: option taken from each group of conf/.
        later: values of the root and groups that are completed later.

    Raises:
        ValueError: If a value or key is impossible, or an option is missing.
        DataError: If a file or folder is missing.
    """
    values = OmegaConf.to_container(cfg, resolve=True)
    check_root(values, root)
    check_choices(values, root, choices)
    later = {*later, *values.get("inherit", [])}  # such as groups whose values come from a checkpoint
    missing = [key for key in OmegaConf.missing_keys(cfg) if key.partition(".")[0] not in later]
    if missing:
        raise ValueError(MISSING.get(missing[0], NO_VALUE).format(key=missing[0]))
    check_groups(values)
    check_devices(values)
    own = {key: value for key, value in values.items() if key not in later}
    check_together(own, root)
    check_named_files(own)


def check_root(values: Mapping[str, Any], root: str) -> None:
    """Check the values of the root itself.

    Raises:
        ValueError: If a key is unknown or missing, or a value is impossible.
    """
    known = COMMON | ROOTS[root]
    for key, value in values.items():
        if key in known:
            if value != "???":
                check_type(shown_as(key), value, known[key])
            if value == [] and key != "inherit":
                raise ValueError(f"{shown_as(key)} must have at least one item, got []")
        elif key not in group_names():
            raise ValueError(f"no key {key!r}{did_you_mean(key, [*known, *group_names()])}; see --help")
        elif not isinstance(value, Mapping):
            raise ValueError(f"{key} has several values, got {value!r}; write {key}.NAME=VALUE")
    for key in known:
        if key not in values:
            raise ValueError(f"{key} is missing; remove ~{key} from the command line")
    if "region" in values:
        region_named(values["region"])


def shown_as(key: str) -> str:
    """Return the name that users know a value by."""
    return "benchmark" if key == "tables" else key


def check_choices(values: Mapping[str, Any], root: str, choices: Mapping[str, str | None]) -> None:
    """Check that every group of a root has an option, and that names of options lead to no other folder.

    Raises:
        ValueError: If not.
    """
    for group in required_groups(root):
        if not isinstance(values.get(group), Mapping):
            raise ValueError(f"{group} must be one of the options of conf/{group}, see --help; write {group}=OPTION")
    for group, option in choices.items():
        if option is not None and "/" not in group and group != "benchmark":  # which is checked as a whole
            check_type(group, option, Name)
            if option.endswith(".yaml"):
                raise ValueError(f"{group}={option} is a file; write {group}={option.removesuffix('.yaml')}")


def check_groups(values: Mapping[str, Any]) -> None:
    """Check the values of all groups against the signatures of the classes that they name.

    Raises:
        ValueError: If a value or key is impossible.
    """
    for group, node in values.items():
        if isinstance(node, Mapping):
            check_node(group, node)


def check_node(place: str, node: Mapping[str, Any]) -> None:
    """Check a group of values, and those inside it; see `check_groups`."""
    taken: Mapping[str, Any] | None = PLAIN_GROUPS.get(place)
    if "_target_" in node:
        target = node["_target_"]
        check_type(f"{place}._target_", target, str)
        name_of(target)
        module, _, name = str(target).rpartition(".")
        if module in TORCH_MODULES and definition(module, name) is None:
            raise ValueError(f"{place}._target_: {module} has no {name!r}; check its name")
        taken = parameters(target)
    inner = {key: value for key, value in node.items() if isinstance(value, Mapping) and "_target_" in value}
    for key, value in node.items():
        if taken is None or key in SPECIAL or value == "???":
            continue
        if key not in taken:
            here = ", ".join(name for name in node if name in taken)
            raise ValueError(f"no key '{place}.{key}'{did_you_mean(key, taken)}; {place} has {here or 'no values'}")
        if key not in inner:
            check_type(f"{place}.{key}", value, taken[key])
        if value == [] and place in PLAIN_GROUPS:
            raise ValueError(f"{place}.{key} must have at least one item, got []")
    for key, value in inner.items():
        check_node(f"{place}.{key}", value)


@cache
def option_groups() -> frozenset[str]:
    """Return the names of the groups of conf/."""
    return frozenset(folder.name for folder in files("ptycho_bench.conf").iterdir() if folder.is_dir())


def group_names() -> frozenset[str]:
    """Return the names of all groups of values: those of conf/, and those that conf/import_options sets."""
    return option_groups() | {"geometry", "patterns", "positions", "hydra"}


@cache
def required_groups(root: str) -> list[str]:
    """Return the groups that a root takes an option from in any case."""
    text = (files("ptycho_bench.conf") / f"{root}.yaml").read_text(encoding="utf-8")
    entries = (entry for entry in yaml.safe_load(text)["defaults"] if isinstance(entry, Mapping))
    return [group for entry in entries for group, option in entry.items() if option is not None and "@" not in group]
