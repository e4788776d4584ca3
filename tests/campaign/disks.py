"""Full disks and folders that cannot be written, as small file systems in memory mounted inside the sandbox."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.campaign.bench import PLAIN, RUN, SCAN, SWEEP, Bench
from tests.campaign.case import REFUSED, SKIPPED, Case, Outcome, accepted
from tests.campaign.sandbox import TEMPORARY, files_below

KIND = "full disks"
ROOM_MB = 300  # after the disk has been enlarged
WIDE = ("model.width=32", "model.narrowest=64")  # checkpoints of 15 MB
COMMANDS = {  # words, samples, and disks: their size in MB, and kB that are free; None leaves the whole disk free
    "simulate": (
        (*SCAN, "data.obj.size_px=512", "data.overlap_ratio=0.75", "out=outputs/scan.h5"), (),
        ((1, None), (4, None), (9, None), (20, None)),
    ),
    "train": ((*RUN, *WIDE), (), ((1, None), (2, None), (5, None), (10, None), (16, None), (20, None))),
    "reconstruct": (
        ("scan.h5", "solver=epie", "solver.iterations=2", "triplets=true", *PLAIN), ("scan",),
        ((1, 20), (2, 150), (3, 400), (5, 900), (8, 2000)),
    ),
    "evaluate": (("best.ckpt", "pictures=true", "folder=outputs/result"), ("network",), ((1, 8), (3, 900), (5, 2600))),
    "export": (("best.ckpt", "out=outputs/made.onnx"), ("network",), ((1, 0), (2, 60))),
    "import": (("beamline.cxi", "out=outputs/scan.h5"), ("cxi",), ((1, 20), (2, 900))),
    "sweep": (SWEEP, ("benchmark",), ((1, 60), (4, 3000))),
    "profile": (("model=ptychonn", "model.width=4", "size_px=16", "batch_sizes=[1]", "repeats=1"), (), ((1, 0),)),
}  # fmt: skip


def cases() -> Iterator[Case]:
    """Return the cases."""
    for command, (words, needs, disks) in COMMANDS.items():
        compare = command != "profile"
        for size, free_kb in disks:
            run = on_disk(f"size={size}m", free_kb)
            yield Case(
                KIND, f"{size} MB", command, words, needs, run=run, expected=accepted(), compare=compare, limit_s=120
            )
        run = on_disk("ro,size=1m", None)
        yield Case(
            "read-only folders", "outputs", command, words, needs, run=run, expected=accepted(), compare=compare,
            limit_s=120,
        )  # fmt: skip


def on_disk(options: str, free_kb: int | None) -> Callable[[Bench, Case, Path], Outcome]:
    """Return a function that runs a command on a small disk, then enlarges the disk and runs it again.

    Args:
        options: of the mount.
        free_kb: space that is left before the command starts; None leaves the whole disk.
    """

    def run(bench: Bench, case: Case, work: Path) -> Outcome:
        disk = work / "outputs"
        disk.mkdir()
        if reason := not_mounted(disk, options):
            return Outcome(0, 0.0, fault=SKIPPED, note=reason)
        filler = fill(disk, free_kb)
        first = bench.target.run(case.command, case.words, work, case.limit_s)
        left = [path.name for path in files_below(disk) if TEMPORARY.search(path.name)]
        half = [path.name for path in disk.rglob("object.*") if (path.parent / "error.txt").exists()]
        subprocess.run(["mount", "-o", f"remount,rw,size={ROOM_MB}m", str(disk)], check=True)
        filler.unlink(missing_ok=True)
        second = bench.target.run(case.command, case.words, work, case.limit_s)
        return replace(second, **fault_of_failure(first, left + half))

    return run


def not_mounted(disk: Path, options: str) -> str:
    """Mount a file system in memory on a folder; return why that is not possible, or ""."""
    if os.geteuid():
        return "mounting needs root"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    return done.stderr.strip()


def fill(disk: Path, free_kb: int | None) -> Path:
    """Write zeros until only so much space is left."""
    filler = disk / "filler"
    if free_kb is not None:
        space = os.statvfs(disk)
        filler.write_bytes(bytes(max(0, space.f_bavail * space.f_frsize - 1024 * free_kb)))
    return filler


def fault_of_failure(first: Outcome, left: list[str]) -> dict[str, str]:
    """Return the verdict on the run on the full disk, and its reason, as fields of an outcome."""
    lines = first.err.strip().splitlines()
    if first.late or first.code < 0:
        return {"fault": "timeout" if first.late else "crash", "note": f"on the full disk: exit code {first.code}"}
    if "Traceback" in first.err:
        return {"fault": "traceback", "note": lines[-1][:200]}
    if left:
        return {"fault": "leftover", "note": ", ".join(left)[:200]}
    if first.code and (len(lines) != 1 or not lines[0].startswith("error: ")):
        return {"fault": "untidy", "note": f"{len(lines)} lines: {lines[-1:]}"[:200]}
    return {"note": f"{REFUSED}: {lines[-1]}"[:300] if first.code else "there was room"}
