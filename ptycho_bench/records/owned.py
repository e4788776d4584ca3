"""Which files in a folder belong to the command that writes it; only these are deleted."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from ptycho_bench.data.atomic import TEMPORARY, delete_regular, regular_file_exists
from ptycho_bench.records.contents import CONFIG, CONTENTS, ENVIRONMENT, ERROR, RESULTS, command_of, result_files

PICTURES, TESTS = "pictures", "tests"  # folders inside a run's folder


def check_owner(folder: Path, command: str) -> None:
    """Check that a folder is missing, empty, or contains a record of a command.

    Raises:
        ValueError: If it contains anything else, or the path names a file.
    """
    if not folder.is_dir():
        if regular_file_exists(folder):
            raise ValueError(f"{folder} is a file and cannot be the folder of a result; choose another folder")
        return
    found = command_of(folder)
    if found is not None and found != command:
        raise ValueError(f"{folder} contains a result of {found}, not of {command}; choose another folder")
    if found is None and any(TEMPORARY.fullmatch(file.name) is None for file in folder.iterdir()):
        raise ValueError(f"{folder} contains files that {command} did not write; choose another folder or move them")


def clear(folder: Path, command: str) -> None:
    """Delete the files that a command has written into a folder, and the folder if it is then empty.

    Other files stay, and symbolic links are not followed. The tests of a trained network, which ptycho-evaluate writes
    below its run for ptycho-sweep, are deleted with it. A call that is interrupted can be repeated.

    Raises:
        ValueError: If the folder contains anything else than a record of this command.
        OSError: If a file cannot be deleted.
    """
    check_owner(folder, command)
    if not folder.is_dir():
        return
    delete(folder, [RESULTS, *temporary_files(folder, command)])  # from here on, the run is not finished
    delete(folder, [*result_files(folder, command), ERROR, *CONTENTS[command].progress, CONFIG])
    if command == "ptycho-train":
        clear_tests(folder / TESTS)
    for name in (PICTURES, TESTS):
        remove_empty(folder / name)
    if {file.name for file in folder.iterdir()} <= {ENVIRONMENT}:  # otherwise it still tells whose folder this is
        delete(folder, [ENVIRONMENT])
        remove_empty(folder)


def clear_tests(tests: Path) -> None:
    """Delete the tests of a network that is to be trained again; folders of anything else stay."""
    if tests.is_symlink() or not tests.is_dir():
        return
    for test in sorted(tests.iterdir()):
        if not test.is_symlink() and command_of(test) == "ptycho-evaluate":
            clear(test, "ptycho-evaluate")


def delete(folder: Path, names: Iterable[str]) -> None:
    """Delete those of the named files in a folder that are regular files, in this order."""
    for file in (folder / name for name in names):
        if file.parent == folder or not file.parent.is_symlink():
            delete_regular(file)


def remove_empty(folder: Path) -> None:
    """Remove a folder if it is empty."""
    with contextlib.suppress(OSError):  # it is missing or a symbolic link, or contains other files
        folder.rmdir()


def temporary_files(folder: Path, command: str) -> list[str]:
    """Return the names of a command's temporary files in a folder.

    They are abandoned, whichever machine they are from, if the caller holds the folder's lock.
    """
    names = (RESULTS, ERROR, CONFIG, ENVIRONMENT, *CONTENTS[command].progress, *result_files(folder, command))
    targets = {folder / name for name in names}
    found = [file for place in {target.parent for target in targets} for file in place.glob(".*.partial")]
    parsed = ((file, TEMPORARY.fullmatch(file.name)) for file in found)
    return [str(file.relative_to(folder)) for file, match in parsed if match and file.parent / match["name"] in targets]
