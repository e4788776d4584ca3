"""A long training that streams from a file larger than its memory limit, with a reader of its record beside it."""

import csv
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.campaign.bench import SCAN, Bench
from tests.campaign.case import Case, Outcome, accepted
from tests.campaign.real import Process

KIND = "soak"
EPOCHS = 200
WORDS = (
    "data=file", "data.file_path=large.h5", "split=region", "cache_mb=2", "model=ptychonn", "model.width=4",
    "model.narrowest=4", "input=counts", "recipe.batch_size=256", f"recipe.epochs={EPOCHS}", "trainer=cpu",
    "pictures=false",
)  # fmt: skip
LARGE = (*SCAN, "data.obj.size_px=256", "data.overlap_ratio=0.75", "out=large.h5")  # 3,600 patterns, 11 MB
READ_S, LOOK_S = 0.01, 1.0  # intervals of reading and of measuring
GROWTH_MB, GROWTH_FILES = 40.0, 0  # from the first tenth to the last
LIMIT_S = 5400.0


def cases() -> Iterator[Case]:
    """Return the case."""
    yield Case(
        KIND, f"{EPOCHS} epochs", "train", WORDS, prepare=make_scan, run=watched, expected=accepted(), limit_s=LIMIT_S
    )


def make_scan(bench: Bench, work: Path) -> None:
    bench.target.run("simulate", LARGE, work, LIMIT_S)


def watched(bench: Bench, case: Case, work: Path) -> Outcome:
    """Train, read the record all the time, and look at memory and open files."""
    process = bench.target.start(case.command, case.words, work)
    memory, files, reads, looked = [], [], 0, 0.0
    while process.popen.poll() is None and process.seconds() < LIMIT_S:
        for path in work.glob("outputs/runs/*/*/*"):
            reads += 1
            if fault := unreadable(path):
                process.send(15)
                return replace(process.outcome(LIMIT_S), fault="drift", note=fault)
        if (epochs := epochs_done(work)) and time.monotonic() - looked > LOOK_S:
            looked = time.monotonic()
            memory.append((epochs, resident_mb(process)))
            files.append((epochs, open_files(process)))
        time.sleep(READ_S)
    outcome = judged(process.outcome(LIMIT_S), memory, files, reads)
    return outcome if streamed(work) else replace(outcome, fault="drift", note="it did not stream its data")


def streamed(work: Path) -> bool:
    """Return True if a finished training read its data from the file."""
    records = work.glob("outputs/runs/*/*/results.json")
    return any(json.loads(path.read_text())["training"]["streamed"] for path in records)


def judged(outcome: Outcome, memory: list, files: list, reads: int) -> Outcome:
    """Return the outcome with a verdict on how memory and open files have changed."""
    tenth = EPOCHS // 10
    (more_mb, first_mb, last_mb), (more, first, last) = (growth(found, tenth) for found in (memory, files))
    note = f"{first_mb:.0f} to {last_mb:.0f} MB, {first:.0f} to {last:.0f} descriptors, {reads} reads"
    drifts = more_mb > GROWTH_MB or more > GROWTH_FILES
    return replace(outcome, fault="drift" if drifts else None, note=note)


def growth(found: list[tuple[int, float]], tenth: int) -> tuple[float, float, float]:
    """Return the difference between the medians of the second and the last tenth of the epochs, and both."""
    early = sorted(value for epoch, value in found if tenth <= epoch < 2 * tenth) or [0.0]
    late = sorted(value for epoch, value in found if epoch >= EPOCHS - tenth) or [0.0]
    first, last = early[len(early) // 2], late[len(late) // 2]
    return last - first, first, last


def epochs_done(work: Path) -> int:
    """Return the number of epochs in metrics.csv."""
    return max(
        (len(path.read_text().splitlines()) - 1 for path in work.glob("outputs/runs/*/*/metrics.csv")), default=0
    )


def resident_mb(process: Process) -> float:
    """Return the resident memory of a process, MB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process.popen.pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1000 if found else 0.0


def open_files(process: Process) -> float:
    """Return the number of open files of a process; 0 if it has ended."""
    try:
        return float(len(os.listdir(f"/proc/{process.popen.pid}/fd")))
    except OSError:
        return 0.0


def unreadable(path: Path) -> str:
    """Return why a file of a record cannot be read at this moment, or ""."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".csv":
            check_rows(list(csv.reader(path.read_text().splitlines())))
        elif path.suffix == ".ckpt":
            with path.open("rb") as file:
                file.seek(-22, 2)
                assert file.read(4) == b"PK\x05\x06", "the archive has no end"
    except FileNotFoundError:  # it has just been replaced
        return ""
    except Exception as error:
        return f"{path.name}: {type(error).__name__}: {error}"
    return ""


def check_rows(rows: list[list[str]]) -> None:
    """Check that the rows of a table are as long as its header, except the last, which may be in the writing."""
    assert all(len(row) == len(rows[0]) for row in rows[1:-1]), "a row has another length than the header"
