"""The files that each command writes into its folder, so that it deletes these and no others."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ptycho_bench.data.atomic import is_regular

RESULTS, ERROR, CONFIG, ENVIRONMENT = "results.json", "error.txt", "config.yaml", "env.json"
PATCHES = "patches.csv"
SCORED = ("field{scan}.npz", "samples{scan}.npz", "pictures/field{scan}.png", "pictures/patches{scan}.png", PATCHES)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a command writes into its folder, besides results.json, error.txt, config.yaml and env.json.

    Args:
        results: files that make up the result; {scan} stands for nothing and, in a run on several scans, for `_NAME`.
        progress: files from which the command continues after a failure.
        places: ends of the paths of its folders below outputs_dir. They tell which command wrote a folder of a release
            that did not record it.
    """

    results: tuple[str, ...]
    places: tuple[str, ...]
    progress: tuple[str, ...] = ()


CONTENTS: Mapping[str, Contents] = {
    "ptycho-train": Contents(
        results=("pictures/losses.png", *SCORED),
        progress=("metrics.csv", "last.ckpt", "best.ckpt"),
        places=("runs/*/*",),
    ),
    "ptycho-evaluate": Contents(results=SCORED, places=("evaluations/*/*", "runs/*/*/tests/*")),
    "ptycho-reconstruct": Contents(
        results=("object.h5", "object.cxi", "errors.csv", "triplets.h5", "pictures/object.png", "pictures/frc.png",
                 "pictures/errors.png"),
        places=("reconstructions/*/*", "solved/*/*"),
    ),
    "ptycho-profile": Contents(results=(), places=("profiles/*",)),
}  # fmt: skip


def result_files(folder: Path, command: str) -> list[str]:
    """Return the names of the files that make up a result of a command in a folder, whether or not they exist."""
    suffixes = ("", *(f"_{name}" for name in scan_names(folder / PATCHES)))
    return [name.replace("{scan}", suffix) for name in CONTENTS[command].results for suffix in suffixes]


def scan_names(patches: Path) -> list[str]:
    """Return the names of the scans in a table of patches; none if the table has no column of them."""
    if not is_regular(patches):
        return []
    try:
        with patches.open(newline="") as handle:
            names = {row.get("scan") for row in csv.DictReader(handle)}
    except (OSError, ValueError, csv.Error):
        return []
    return sorted(name for name in names if name and Path(name).name == name)  # no part of a path


def environment_of(folder: Path) -> dict:
    """Return the content of a folder's env.json; an empty dictionary if it is missing or damaged."""
    file = folder / ENVIRONMENT
    try:
        found = json.loads(file.read_text()) if is_regular(file) else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def command_of(folder: Path) -> str | None:
    """Return the command whose record a folder contains; None if there is no record."""
    environment = environment_of(folder)
    if "command" in environment:
        return str(environment["command"])
    packages = environment.get("packages")
    if not isinstance(packages, Mapping) or "ptycho-bench" not in packages:
        return None
    place = folder.absolute()
    return next((name for name, one in CONTENTS.items() if any(place.match(end) for end in one.places)), None)
