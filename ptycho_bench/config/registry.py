"""The classes that a configuration, a checkpoint or an exported network may name.

The YAML files shipped in conf/ are the registry: each class that one of them names under `_target_` is known by the
last part of its path, for example `PPN` for `ptycho_bench.models.ppn.ppn.PPN`. Files that this project writes contain
these short names only, so that no file can name code, and a module that moves changes neither a checkpoint nor an
identity.

Classes of other packages are allowed only if the user trusts the package: by `--trust PACKAGE` on the command line, by
the environment variable `PTYCHO_BENCH_TRUST`, or by installing it with an entry point in the group
`ptycho_bench.trusted`. Their names are their full paths.
"""

import functools
import importlib
import os
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from importlib.resources import files

TRUST_VARIABLE = "PTYCHO_BENCH_TRUST"
ENTRY_POINTS = "ptycho_bench.trusted"
TORCH_MODULES = ("torch.optim", "torch.optim.lr_scheduler")  # a recipe may name their optimisers and schedules
TARGET = re.compile(r"\b_target_:\s*([\w.]+)")


@functools.cache
def shipped_classes() -> dict[str, dict[str, str]]:
    """Return the full path of each class by its short name, for each group of conf/."""
    groups = (folder for folder in files("ptycho_bench.conf").iterdir() if folder.is_dir())
    return {folder.name: classes_named_in(folder) for folder in groups}


def classes_named_in(folder) -> dict[str, str]:
    """Return the full path of each class that a folder's YAML files name, by its short name."""
    texts = [file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".yaml")]
    return {target.rpartition(".")[2]: target for text in texts for target in TARGET.findall(text)}


def trusted_packages() -> set[str]:
    """Return the names of the other packages whose classes may be used."""
    named = os.environ.get(TRUST_VARIABLE, "").split(",")
    installed = (entry.value.partition(":")[0].partition(".")[0] for entry in entry_points(group=ENTRY_POINTS))
    return {name.strip() for name in (*named, *installed)} - {""}


def name_of(target: str) -> str:
    """Return the stable name of a class, given its full path.

    Args:
        target: full path of a class, as under `_target_` in a configuration.

    Raises:
        ValueError: If neither conf/ nor a trusted package contains the class.
    """
    module, _, name = str(target).rpartition(".")
    if module in TORCH_MODULES or any((name, target) in classes.items() for classes in shipped_classes().values()):
        return name
    package = module.partition(".")[0]
    if package and package in trusted_packages():
        return target
    raise ValueError(
        f"_target_ {target!r} is none of the classes that conf/ names; if it is your own and you trust it, add "
        f"--trust {package or 'PACKAGE'}"
    )


def check_known(name: str, group: str | None = None) -> None:
    """Check that a stable name refers to a class that may be used; imports nothing.

    Args:
        name: short name of a class that conf/ names, or full path of a class in a trusted package.
        group: group of conf/ that must name the class; None allows all groups.

    Raises:
        ValueError: If the name is unknown, or its package is not trusted.
    """
    package = name.partition(".")[0]
    if "." in name and package not in trusted_packages():
        raise ValueError(f"{name} belongs to another package; if you trust {package}, add --trust {package}")
    if "." not in name and name not in (known := known_classes(group)):
        raise ValueError(
            f"{name!r} is not a known class{f' of conf/{group}' if group else ''}; known are {', '.join(sorted(known))}"
        )


def known_classes(group: str | None) -> dict[str, str]:
    """Return the full path of each class that a group of conf/ names, or any group, by its short name."""
    groups = shipped_classes()
    return groups.get(group, {}) if group else {name: path for known in groups.values() for name, path in known.items()}


def resolve(name: str, group: str | None = None) -> Callable:
    """Return the class or function that a stable name refers to.

    Args:
        name: short name of a class that conf/ names, or full path of a class in a trusted package.
        group: group of conf/ that must name the class; None allows all groups, and torch's optimisers and schedules.

    Raises:
        ValueError: If the name is unknown, or its package is not trusted.
    """
    if group is None and name not in known_classes(None):
        for module in TORCH_MODULES:
            if name in importlib.import_module(module).__all__:
                return attribute(f"{module}.{name}")
    check_known(name, group)
    return resolve_trusted(name) if "." in name else attribute(known_classes(group)[name])


def resolve_trusted(path: str) -> Callable:
    """Return a class of a trusted package, given its full path.

    Raises:
        ValueError: If the package does not define the class itself.
    """
    package = path.partition(".")[0]
    try:
        found = attribute(path)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{path} cannot be imported ({error}); check its name and whether it is installed") from error
    if not callable(found) or str(getattr(found, "__module__", "")).partition(".")[0] != package:
        raise ValueError(f"{path} is not a class or function that {package} itself defines")
    return found


def attribute(path: str) -> Callable:
    """Import a module and return the attribute that the last part of a path names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
