"""Words of a command line that are file names, not overrides."""

import sys

from ptycho_bench.cli.entry import asks_for_help


def quoted(path: str) -> str:
    """A file name as Hydra reads it whatever characters are in it."""
    escaped = path.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def files_to_override(key: str) -> None:
    """Turn the command line's words without = into one override key=[FILE,...]."""
    words = sys.argv[1:]
    files = [word for word in words if "=" not in word and not word.startswith("-")]
    if files and not asks_for_help():
        rest = [word for word in words if word not in files]
        sys.argv[1:] = [f"{key}=[{','.join(map(quoted, files))}]", *rest]
