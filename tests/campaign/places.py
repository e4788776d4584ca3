"""Commands that are told to write where a user's files, folders, links or devices are."""

import os
from collections.abc import Iterator
from pathlib import Path

from tests.campaign.bench import RUN, SCAN, SWEEP, Bench
from tests.campaign.case import ACCEPTED, REFUSED, Case, Outcome, accepted

KIND = "places"
SOLVER = ("scan.h5", "solver=epie", "solver.iterations=2", "frc=false", "pictures=false")
WRITERS = {  # command: words without the place, samples, key of the place, suffix of its file
    "simulate": (SCAN, (), "out", "h5"),
    "export": (("best.ckpt",), ("network",), "out", "onnx"),
    "import": (("beamline.cxi",), ("cxi",), "out", "h5"),
    "inspect": (("beamline.cxi",), ("cxi",), "--out", "png"),
}
FOLDERS = {
    "evaluate": (("best.ckpt", "pictures=false"), ("network",), "folder"),
    "reconstruct": (SOLVER, ("scan",), "folder"),
    "report": (("benchmark=small", "figures=false"), ("swept",), "out"),
}
YES = {"simulate": "overwrite=true", "export": "overwrite=true", "import": "overwrite=true", "inspect": "--overwrite"}
OUTSIDE = ("../../elsewhere", "user/../../../elsewhere", "{root}/absolute", "${oc.env:HOME}/../x", "a/b", "..", "")


def put_file(path: Path) -> None:
    path.write_text("a file of the user\n")


def put_folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("a file of the user\n")


def put_link(path: Path) -> None:
    path.symlink_to("project/thesis.txt")


def put_fifo(path: Path) -> None:
    os.mkfifo(path)


def put_dangling_link(path: Path) -> None:
    path.symlink_to("project/new.txt")


THINGS = {
    "file": put_file, "folder": put_folder, "link": put_link, "fifo": put_fifo, "dangling link": put_dangling_link,
}  # fmt: skip


def target_word(key: str, place: str) -> tuple[str, ...]:
    """Return the words that name a place."""
    return (key, place) if key.startswith("-") else (f"{key}={place}",)


def cases() -> Iterator[Case]:
    """Return the cases."""
    for command, (words, needs, key, suffix) in WRITERS.items():
        for thing, put in THINGS.items():
            yield onto(command, thing, put, (*words, *target_word(key, f"mine.{suffix}")), needs, f"mine.{suffix}")
            if thing != "file":
                asked = (*words, *target_word(key, f"mine.{suffix}"), YES[command])
                yield onto(command, f"{thing}, overwrite", put, asked, needs, f"mine.{suffix}")
    for command, (words, needs, key) in FOLDERS.items():
        for place in ("project", "project/small", "project/thesis.txt", "project/latest", "."):
            yield folder_case(command, f"{key}={place}", (*words, f"{key}={place}"), needs)
            if command != "report":
                asked = (*words, f"{key}={place}", "overwrite=true")
                yield folder_case(command, f"{key}={place}, overwrite", asked, needs)
    yield from of_names()
    yield from of_runs()


def onto(command: str, name: str, put, words: tuple[str, ...], needs: tuple[str, ...], place: str) -> Case:
    """Return a case whose output file exists already as something else."""

    def prepare(bench: Bench, work: Path) -> None:
        put(work / place)

    return Case(KIND, f"onto a {name}", command, words, needs, prepare, limit_s=30.0)


def folder_case(command: str, name: str, words: tuple[str, ...], needs: tuple[str, ...]) -> Case:
    """Return a case whose results would go to a user's folder; a report may add its own files there."""
    expected = accepted(REFUSED) if command == "report" else frozenset({REFUSED})
    return Case(KIND, name, command, words, needs, expected=expected, places=("project", "."))


def of_names() -> Iterator[Case]:
    """Return cases whose names lead out of the folder of outputs."""
    for place in OUTSIDE:
        yield Case(KIND, f"study={place!r}", "train", (*RUN, f"study='{place}'"))
        yield Case(KIND, f"data.name={place!r}", "simulate", (*SCAN, f"data.name='{place}'"))
        yield Case(KIND, f"benchmark={place!r}", "report", (f"benchmark='{place}'",), ("swept",))


def of_runs() -> Iterator[Case]:
    """Return cases in which a folder below `outputs` contains a user's file, which must stay."""
    for name, words, expected in (
        ("overwrite keeps notes", ("overwrite=true",), ACCEPTED),
        ("overwrite keeps a folder", ("overwrite=true",), ACCEPTED),
        ("overwrite keeps a linked folder", ("overwrite=true",), ACCEPTED),
    ):
        yield Case(KIND, name, "train", (*RUN, *words), ("run",), PUT[name], expected=frozenset({expected}))
    yield Case(KIND, "a sweep keeps notes", "sweep", SWEEP, ("swept",), put_notes, expected=accepted(), limit_s=120)
    again = (*SOLVER, "folder=outputs/result", "overwrite=true")
    yield Case(KIND, "overwrite keeps notes", "reconstruct", again, ("scan",), run=after_itself, expected=accepted())


def run_folders(work: Path) -> list[Path]:
    """Return the folders of trainings below `outputs`."""
    return [path for path in work.glob("outputs/runs/*/*") if path.is_dir()]


def put_notes(bench: Bench, work: Path) -> None:
    for folder in run_folders(work):
        (folder / "canary.txt").write_text("my notes on this run\n")


def put_subfolder(bench: Bench, work: Path) -> None:
    for folder in run_folders(work):
        (folder / "pictures").mkdir(exist_ok=True)
        (folder / "pictures/canary.png").write_text("my own picture\n")
        (folder / "canary").mkdir()
        (folder / "canary/canary.txt").write_text("my notes\n")


def put_linked_folder(bench: Bench, work: Path) -> None:
    for folder in run_folders(work):
        (folder / "pictures").symlink_to(work / "project", target_is_directory=True)


PUT = {
    "overwrite keeps notes": put_notes,
    "overwrite keeps a folder": put_subfolder,
    "overwrite keeps a linked folder": put_linked_folder,
}


def after_itself(bench: Bench, case: Case, work: Path) -> Outcome:
    """Run a command, put notes beside its results, and run it again."""
    words = [word for word in case.words if not word.startswith("overwrite")]
    first = bench.target.run(case.command, words, work, case.limit_s)
    if first.code:
        return first
    notes = work / "outputs/result/canary.txt"
    notes.write_text("my notes\n")
    second = bench.target.run(case.command, case.words, work, case.limit_s)
    if not notes.exists():
        second.fault, second.note = "deleted", "outputs/result/canary.txt"
    return second
