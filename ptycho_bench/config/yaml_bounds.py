"""Bounds of the YAML files in a folder that a user names, whose aliases can stand for billions of values."""

from pathlib import Path

import yaml

MOST_FILES, LARGEST, MOST_VALUES = 2000, 2**20, 100_000  # of a folder; bytes and values of a file
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_config_folder(folder: str | Path) -> None:
    """Check every YAML file of a folder, before Hydra loads one of them.

    Raises:
        ValueError: If there are too many, or one is too large; files that are not valid YAML are left to Hydra.
    """
    files = [file for file in sorted(Path(folder).rglob("*.yaml")) if file.is_file()]
    if len(files) > MOST_FILES:
        raise ValueError(f"{folder} has {len(files)} YAML files, at most {MOST_FILES} are read; name another folder")
    for file in files:
        check_file(file)


def check_file(file: Path) -> None:
    """Check the size of a YAML file as it is and with its aliases expanded.

    Raises:
        ValueError: If it is too large.
    """
    if file.stat().st_size > LARGEST:
        raise ValueError(f"{file} is larger than {LARGEST // 2**20} MiB, so it is no configuration; remove it")
    try:
        count = count_of(yaml.compose(file.read_bytes(), Loader=Loader), {})
    except (yaml.YAMLError, UnicodeDecodeError):
        return
    except RecursionError:
        raise ValueError(f"{file} contains itself or is nested too deeply; write the values out") from None
    if count > MOST_VALUES:
        raise ValueError(f"{file} stands for {count:.3g} values, at most {MOST_VALUES} are read; write fewer aliases")


def count_of(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Return the number of values of a node; each alias counts as often as it is used.

    Args:
        node: root of the file, or of a part of it.
        known: counts by the id of the node.
    """
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        children = (child for item in node.value for child in (item if isinstance(item, tuple) else (item,)))
        known[id(node)] = 1 + sum(count_of(child, known) for child in children)
    return known[id(node)]
