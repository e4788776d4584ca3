"""Convert words of a command line that Hydra cannot read, such as flags and file names, to overrides."""

import re
from collections.abc import Mapping

NETWORK_FILES = (".ckpt", ".onnx")  # suffixes of a trained network's files
LIST = r"\[([^\[\]]*)\]"


def quoted(path: str) -> str:
    """Return a text as Hydra reads it whatever characters it contains, without interpolation.

    Backslashes count only before a quote, and before `${`.
    """
    literal = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + "\\${", path)
    return "'" + re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), literal) + "'"


def is_file_word(word: str) -> bool:
    """Return True for a word that names a file, that is, neither an override nor a flag."""
    return "=" not in word and not word.startswith("-")


def files_to_override(words: list[str], key: str) -> list[str]:
    """Return a command line with the words that name files replaced by KEY=[FILE,...].

    >>> files_to_override(["a.h5", "b.h5", "out=c.h5"], "files")
    ["files=['a.h5','b.h5']", 'out=c.h5']
    """
    files = [word for word in words if is_file_word(word)]
    rest = [word for word in words if not is_file_word(word)]
    return [f"{key}=[{','.join(map(quoted, files))}]", *rest] if files else rest


def networks_to_override(words: list[str]) -> list[str]:
    """Return a command line with trained networks replaced by checkpoint=FILE and other files by files=[FILE,...].

    >>> networks_to_override(["scan.h5", "best.ckpt", "frc=false"])
    ["files=['scan.h5']", 'frc=false', "checkpoint='best.ckpt'"]

    Raises:
        ValueError: If several trained networks are named.
    """
    networks = [word for word in words if is_file_word(word) and word.endswith(NETWORK_FILES)]
    if len(networks) > 1:
        raise ValueError(f"this command takes 1 trained network, got {len(networks)}: {', '.join(networks)}; name one")
    rest = files_to_override([word for word in words if word not in networks], "files")
    return [*rest, *(f"checkpoint={quoted(path)}" for path in networks)]


def checkpoint_to_override(words: list[str]) -> list[str]:
    """Return a command line with the word that names a file replaced by checkpoint=FILE.

    >>> checkpoint_to_override(["best.ckpt", "batch=8"])
    ["checkpoint='best.ckpt'", 'batch=8']

    Raises:
        ValueError: If there is more than one.
    """
    named = [word for word in words if is_file_word(word)]
    if len(named) > 1:
        raise ValueError(f"this command takes 1 checkpoint, got {len(named)}: {', '.join(named)}; name one")
    return [f"checkpoint={quoted(word)}" if word in named else word for word in words]


def flags_to_overrides(words: list[str], flags: Mapping[str, str], numbers: Mapping[str, str]) -> list[str]:
    """Return a command line with its flags replaced by overrides.

    >>> flags_to_overrides(["a=b", "--dry-run", "--index", "3"], {"--dry-run": "dry_run=true"}, {"--index": "index"})
    ['a=b', 'dry_run=true', 'index=3']

    Args:
        words: the command line.
        flags: override for each flag.
        numbers: for each flag that is followed by a number, the key that the number is for.

    Raises:
        ValueError: If a number is missing.
    """
    changed, words = [], list(words)
    while words:
        word = words.pop(0)
        if word not in numbers:
            changed.append(flags.get(word, word))
        elif words and words[0].isdigit():
            changed.append(f"{numbers[word]}={words.pop(0)}")
        else:
            raise ValueError(f"{word} needs a number, 0 or more; write {word} 3")
    return changed


def scans_to_overrides(words: list[str]) -> list[str]:
    """Return a command line with data=[SCAN,...] replaced by data=several data.scans=[SCAN,...]; several lists sweep.

    A single HDF5 file, data=FILE.h5, becomes data=file data.file_path=FILE.h5.

    >>> scans_to_overrides(["data=[ltem,b.h5]", "seed=1"])
    ['data=several', "data.scans=['ltem','b.h5']", 'seed=1']
    >>> scans_to_overrides(["data=b.h5"])
    ['data=file', "data.file_path='b.h5'"]

    Raises:
        ValueError: If a sweep mixes lists and single names, or a value of data does not say which scan it is for.
    """
    rewritten = []
    for word in words:
        if re.fullmatch(r"data=[^\[,]+\.(h5|hdf5)", word, re.IGNORECASE):
            rewritten += ["data=file", f"data.file_path={quoted(word.removeprefix('data='))}"]
        elif not word.startswith("data=") or "[" not in word:
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
    """Return names separated by commas as a list in Hydra's syntax."""
    names = (item.strip().strip("'\"") for item in items.split(","))
    return f"[{','.join(quoted(name) for name in names if name)}]"


def refuse_ambiguous(word: str) -> None:
    """Check that a word sets no value of data, such as data.photons=1e4, which is ambiguous for several scans.

    Raises:
        ValueError: If it does.
    """
    key = word.lstrip("+~").partition("=")[0]
    if key.startswith("data.") and key not in ("data.scans", "data.folder_path"):
        raise ValueError(
            f"{word} does not say which of several scans it is for; write that scan with ptycho-simulate data=NAME "
            f"{word} out=FILE.h5 and name the file, data=[FILE.h5,...]"
        )
