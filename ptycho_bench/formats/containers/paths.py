"""Checks of the files and keys that a user names, with messages that say what is wrong and what to do."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path

from ptycho_bench.data.errors import DataError


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Return a sorting key that puts frame_2 before frame_10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", str(name)) if part]


def require_file(path: str | Path) -> Path:
    """Return the path of an existing file that is not empty.

    Raises:
        DataError: If the file is missing or empty, or the path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path} is a folder; name the files in it, for example {path}/*")
    if not path.is_file():
        raise DataError(f"no file {path}; check the path")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); copy it again")
    return path


def expand(files: list[str]) -> list[str]:
    """Replace each pattern, for example frames_*.tif, by the files that match it, in natural order.

    Raises:
        DataError: If no file matches a pattern.
    """
    found = []
    for name in files:
        matches = sorted(glob(name), key=natural_key) if has_magic(name) and not Path(name).exists() else [name]
        if not matches:
            raise DataError(f"no file matches {name}; check the folder and the pattern")
        found += matches
    return found


def suffix_of(path: str | Path) -> str:
    """Return the lower-case suffix of a file name; for a bz2 file both suffixes, for example .npz.bz2."""
    path = Path(path)
    last = path.suffix.lower()
    return Path(path.stem).suffix.lower() + last if last == ".bz2" else last


def joined_names(files: list[str]) -> str:
    """Return the names of the first four files, and the number of the others, for use in a message."""
    names = [str(name) for name in files[:4]]
    return " + ".join(names) + (f" and {len(files) - 4} more" if len(files) > 4 else "")


def single_line_message(error: BaseException) -> str:
    """Return the message of an error without line breaks, or the name of its type if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def suggest_keys(key: str, available: list[str]) -> str:
    """Return a hint about a missing key: up to three similar keys, or else the first keys that exist."""
    near = difflib.get_close_matches(key, available, n=3, cutoff=0.5)
    last = key.rsplit("/", 1)[-1]
    near += [name for name in available if difflib.SequenceMatcher(None, name.rsplit("/", 1)[-1], last).ratio() > 0.75]
    near = list(dict.fromkeys(near))[:3]
    return f"nearest: {', '.join(near)}" if near else f"it has {', '.join(available[:8]) or 'nothing'}"


@contextmanager
def report_damage(path: Path) -> Iterator[None]:
    """Convert any error raised while a damaged file is read to a DataError that names the file."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # h5py, zipfile, zlib, bz2 and tifffile have no common base class of errors
        raise DataError(
            f"{path} cannot be read ({single_line_message(error)}); it is truncated or damaged: copy it again"
        ) from error
