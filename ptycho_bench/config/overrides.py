"""Words of a command line that Hydra would not take as they are: file names, and several data sets."""

import re
import sys

from ptycho_bench.cli.entry import asks_for_help

NETWORK_FILES = (".ckpt", ".onnx")  # endings of a trained network's files


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


def checkpoint_to_override(words: list[str]) -> list[str]:
    """A command line on which the one word without = and - reads checkpoint=FILE.

    >>> checkpoint_to_override(["best.ckpt", "batch=8"])
    ["checkpoint='best.ckpt'", 'batch=8']

    Raises:
        ValueError: more than one.
    """
    named = [word for word in words if "=" not in word and not word.startswith("-")]
    if len(named) > 1:
        raise ValueError(f"this command takes 1 checkpoint, got {len(named)}: {', '.join(named)}; name one")
    return [f"checkpoint={quoted(word)}" if word in named else word for word in words]


LIST = r"\[([^\[\]]*)\]"


def scans_to_overrides(words: list[str]) -> list[str]:
    """A command line on which data=[SCAN,...] reads data=several data.scans=[SCAN,...]; several lists are a sweep.

    >>> scans_to_overrides(["data=[ltem,b.h5]", "seed=1"])
    ['data=several', "data.scans=['ltem','b.h5']", 'seed=1']

    Raises:
        ValueError: a sweep over lists and single names, or a value of data that does not say which scan it is for.
    """
    rewritten = []
    for word in words:
        if not word.startswith("data=") or "[" not in word:
            rewritten.append(word)
        elif re.fullmatch(f"data={LIST}(,{LIST})*", word):
            lists = (list_override(items) for items in re.findall(LIST, word))
            rewritten += ["data=several", f"data.scans={','.join(lists)}"]
        else:
            raise ValueError(f"cannot read {word!r}; write data=[SCAN,SCAN], in a sweep data=[SCAN,SCAN],[SCAN,SCAN]")
    if {"data=several", "data=folder"} & set(rewritten):
        for word in rewritten:
            refuse_ambiguous(word)
    return rewritten


def list_override(items: str) -> str:
    """Names, parted by commas, as a list that Hydra reads."""
    names = (item.strip().strip("'\"") for item in items.split(","))
    return f"[{','.join(quoted(name) for name in names if name)}]"


def refuse_ambiguous(word: str) -> None:
    """Raise ValueError for a value of data, such as data.photons=1e4, beside several scans."""
    key = word.lstrip("+~").partition("=")[0]
    if key.startswith("data.") and key not in ("data.scans", "data.folder_path"):
        raise ValueError(
            f"{word} does not say which of several scans it is for; write that scan with ptycho-simulate data=NAME "
            f"{word} out=FILE.h5 and name the file, data=[FILE.h5,...]"
        )
