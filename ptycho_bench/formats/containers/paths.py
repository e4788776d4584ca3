"""Files and keys as a user names them: there, not empty, in natural order, the nearest named where one is missing."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path

from ptycho_bench.data.errors import DataError


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Sorting key by which frame_2 comes before frame_10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", str(name)) if part]


def require_file(path: str | Path) -> Path:
    """The path of a file that is there and not empty.

    Raises:
        DataError: it is not.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path} is a folder; name the files in it, as {path}/*")
    if not path.is_file():
        raise DataError(f"no file {path}; check the path")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes); copy it again")
    return path


def expand(files: list[str]) -> list[str]:
    """Files with each pattern (as frames_*.tif) replaced by what it matches, in natural order.

    Raises:
        DataError: a pattern matches nothing.
    """
    found = []
    for name in files:
        matches = sorted(glob(name), key=natural_key) if has_magic(name) and not Path(name).exists() else [name]
        if not matches:
            raise DataError(f"no file matches {name}; check the folder and the pattern")
        found += matches
    return found


def suffix_of(path: str | Path) -> str:
    """Lower-case ending of a file's name; of a packed one both, as .npz.bz2."""
    path = Path(path)
    last = path.suffix.lower()
    return Path(path.stem).suffix.lower() + last if last == ".bz2" else last


def joined_names(files: list[str]) -> str:
    """Files by name for messages, the first four."""
    names = [str(name) for name in files[:4]]
    return " + ".join(names) + (f" and {len(files) - 4} more" if len(files) > 4 else "")


def one_line(error: BaseException) -> str:
    """Text of an error without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def nearest(key: str, there: list[str]) -> str:
    """What to say of a missing key: up to three of the names there are, nearest to it, or the first ones."""
    near = difflib.get_close_matches(key, there, n=3, cutoff=0.5)
    last = key.rsplit("/", 1)[-1]
    near += [name for name in there if difflib.SequenceMatcher(None, name.rsplit("/", 1)[-1], last).ratio() > 0.75]
    near = list(dict.fromkeys(near))[:3]
    return f"nearest: {', '.join(near)}" if near else f"it has {', '.join(there[:8]) or 'nothing'}"


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file raises while it is read into a DataError that names it."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # h5py, zipfile, zlib, bz2 and tifffile have no common error
        raise DataError(
            f"{path} cannot be read ({one_line(error)}); it is truncated or damaged: copy it again"
        ) from error
