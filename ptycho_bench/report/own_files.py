"""The files of a report: report.json lists them, so that a later report replaces and deletes these and no others."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from ptycho_bench.data.atomic import regular_file_exists, write_bytes
from ptycho_bench.records.owned import delete
from ptycho_bench.records.run_folder import write_json

MANIFEST, FIGURES, COMMAND = "report.json", "figures", "ptycho-report"
NAMES = ("report.md", "report.html", "table.csv", "seeds.csv", "table.tex", "pairs.csv", "index.html")
PLACES = ("benchmarks", "published")  # folders below outputs_dir in which reports of any release lie


def replace_files(folder: Path, contents: Mapping[str, bytes], outputs_dir: Path) -> None:
    """Write the files of a report, and delete those of an earlier one that it no longer has.

    Args:
        folder: folder of the report, which is created.
        contents: files by their names in the folder.
        outputs_dir: folder of all outputs. A report below its `benchmarks` or `published` need not have report.json,
            which earlier releases did not write.

    Raises:
        ValueError: If one of the files exists and ptycho-report did not write it; nothing is written then.
        OSError: If a file cannot be written.
    """
    own = own_files(folder)
    if own is None:
        own = set(contents) if in_default_place(folder, outputs_dir) else set()
    for name in contents:
        if regular_file_exists(folder / name) and name not in own:
            raise ValueError(
                f"{folder / name} exists, and ptycho-report did not write it; move it away or set out=FOLDER"
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, {*own, *contents})  # before the files, in case that this process is killed
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_bytes(folder / name, content)
    delete(folder, own - set(contents))
    write_manifest(folder, contents)


def own_files(folder: Path) -> set[str] | None:
    """Return the names of the files of the report in a folder; None if it has no report.json.

    Raises:
        ValueError: If report.json is not that of a report.
    """
    file = folder / MANIFEST
    if not regular_file_exists(file):
        return None
    try:
        found = json.loads(file.read_text())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("command") != COMMAND or not isinstance(found.get("files"), list):
        raise ValueError(f"{file} does not list the files of a report; move it away or set out=FOLDER")
    return {name for name in found["files"] if isinstance(name, str) and can_be_in_report(name)}


def can_be_in_report(name: str) -> bool:
    """Return True for the name of a file that reports have; the file that lists them could name any other."""
    path = PurePosixPath(name)
    return name in NAMES or (path.parent == PurePosixPath(FIGURES) and path.suffix == ".png")


def in_default_place(folder: Path, outputs_dir: Path) -> bool:
    """Return True if a folder is one of those of `PLACES`, or below it."""
    return any(folder.absolute().is_relative_to((outputs_dir / place).absolute()) for place in PLACES)


def write_manifest(folder: Path, names: Iterable[str]) -> None:
    """Write the list of the files of a report."""
    write_json(folder / MANIFEST, {"command": COMMAND, "files": sorted(names)})
