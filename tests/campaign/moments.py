"""Commands that run for a few seconds, and the moments at which something happens to them."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.campaign.bench import PLAIN, RUN, SCAN, SWEEP, Bench, wait_for_file
from tests.campaign.case import Case, Outcome, accepted
from tests.campaign.real import Process
from tests.campaign.sandbox import files_below

GRACE_S = 20.0  # that the children of a killed command have to end
LATEST = 0.4  # of the time of a command that writes late: start of the random moments
SPREAD = 0.5  # of the time after it: end of the random moments
LIMIT_S = 300.0
POLL_S = 0.0005
LARGE = (*SCAN, "data.obj.size_px=512", "data.overlap_ratio=0.75", "out=outputs/scan.h5")
SOLVER = ("scan.h5", "solver=epie", "solver.iterations=60", *PLAIN)
SMALL_PROFILE = ("model=ptychonn", "model.width=4", "size_px=16", "batch_sizes=[1]", "repeats=100")
COMMANDS = {  # words, samples
    "train": ((*RUN, "recipe.epochs=12"), ()),
    "simulate": (LARGE, ()),
    "reconstruct": (SOLVER, ("scan",)),
    "sweep": ((*SWEEP, "epochs=60"), ("benchmark",)),
    "evaluate": (("best.ckpt", "pictures=false", "folder=outputs/result"), ("network",)),
    "export": (("best.ckpt", "out=outputs/made.onnx"), ("network",)),
    "import": (("beamline.cxi", "out=outputs/scan.h5"), ("cxi",)),
    "report": (("benchmark=small",), ("swept",)),
    "inspect": (("beamline.cxi", "--orientation"), ("cxi",)),
    "profile": (SMALL_PROFILE, ()),
}
NOT_COMPARED = ("profile", "inspect")  # they measure time, or write nothing
Moment = Callable[[Bench, Case, Path, Process], bool]


def disturbed(kind: str, name: str, command: str, run: Callable) -> Case:
    """Return a case whose results are compared with those of an undisturbed run."""
    words, needs = COMMANDS[command]
    compare = command not in NOT_COMPARED
    return Case(kind, name, command, words, needs, run=run, expected=accepted(), compare=compare, limit_s=LIMIT_S)


def random_moment(number: int) -> Moment:
    """Return a function that waits until a random moment between the first file and the end of a command."""

    def wait(bench: Bench, case: Case, work: Path, process: Process) -> bool:
        first, whole = bench.moments(case)
        first = min(first, LATEST * whole)
        begun = wait_for_file(process, work, first)
        more = random.Random(f"{case.key} {number}").uniform(0.0, SPREAD) * (whole - first)
        while process.popen.poll() is None and process.cpu_s() < begun + more:
            time.sleep(POLL_S)
        return process.popen.poll() is None

    return wait


def nth_file(count: int) -> Moment:
    """Return a function that waits until a command writes its n-th temporary file."""

    def wait(bench: Bench, case: Case, work: Path, process: Process) -> bool:
        seen, written = set(), 0
        while process.popen.poll() is None and process.seconds() < case.limit_s:
            now = {path for path in files_below(work / "outputs") if path.name.endswith(".partial")}
            written, seen = written + len(now - seen), now
            if written >= count:
                return True
            time.sleep(POLL_S)
        return False

    return wait


def again(bench: Bench, case: Case, work: Path) -> Outcome:
    """Run the command of a case again, with permission to replace a file where the first run may have finished it."""
    ended = bench.target.run(case.command, case.words, work, case.limit_s)
    if ended.code and "overwrite=true" in ended.err:
        ended = bench.target.run(case.command, (*case.words, "overwrite=true"), work, case.limit_s)
    return ended
