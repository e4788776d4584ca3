"""How to fetch files of published data sets, in the words of an error message. Nothing here downloads."""

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

REPOSITORY = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")


def fetch_words(missing: Iterable[tuple[Path, str]]) -> str:
    """Return how missing files can be fetched: a command for files of a repository, else the address of their page.

    >>> fetch_words([(Path("data/x/a.tiff"), "https://github.com/me/x"), (Path("data/x/b.tiff"), "https://github.com/me/x")])
    'git clone https://github.com/me/x data/x'
    >>> fetch_words([(Path("data/y/a.npz"), "https://example.org")])
    'download a.npz from https://example.org into data/y'

    Args:
        missing: each file, and the address of the page or repository that has it; the latter has it in its top folder.
    """
    folders: dict[tuple[Path, str], list[str]] = {}
    for path, source in missing:
        folders.setdefault((path.parent, source), []).append(path.name)
    steps = [step(folder, source, names) for (folder, source), names in folders.items()]
    return (" && " if all(one.startswith("git ") for one in steps) else "; ").join(steps)


def step(folder: Path, source: str, names: Sequence[str]) -> str:
    """Return how the files of one folder can be fetched; git clones only into a folder that is missing or empty."""
    if REPOSITORY.fullmatch(source) and not (folder.is_dir() and any(folder.iterdir())):
        return shlex.join(["git", "clone", source, str(folder)])
    return f"download {' and '.join(names)} from {source} into {folder}"
