"""Commands that are killed: no process stays, and the same command gives the result of an undisturbed run."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.campaign.bench import SWEEP, Bench
from tests.campaign.case import Case, Outcome, accepted
from tests.campaign.moments import GRACE_S, LIMIT_S, Moment, again, disturbed, nth_file, random_moment
from tests.campaign.processes import left_after
from tests.campaign.sandbox import sandbox_of

AT_RANDOM = {"train": 14, "simulate": 5, "reconstruct": 5, "sweep": 6}
IN_WRITING = {"train": (10, 3), "simulate": (4, 1), "reconstruct": (2, 2), "sweep": (4, 3)}  # cases, temporary files

ENDLESS = (*SWEEP, "epochs=100000")
ROWS = "outputs/runs/*/*/metrics.csv"


def cases() -> Iterator[Case]:
    """Return the cases."""
    for command, count in AT_RANDOM.items():
        for number in range(count):
            yield disturbed("kills", f"at random {number}", command, killed(random_moment(number)))
    for command, (count, files) in IN_WRITING.items():
        for number in range(count):
            when = nth_file(number % files + 1)
            yield disturbed("kills", f"in writing {number}", command, killed(when))
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        name = f"its training ends after {number.name}"
        yield Case("kills", name, "sweep", ENDLESS, ("benchmark",), run=without_children(number), expected=accepted())


def without_children(number: signal.Signals) -> Callable[[Bench, Case, Path], Outcome]:
    """Return a function that ends a sweep whose training has begun and would take an hour; it must end too."""

    def run(bench: Bench, case: Case, work: Path) -> Outcome:
        process = bench.target.start(case.command, case.words, work)
        while process.popen.poll() is None and process.seconds() < LIMIT_S and not any(work.glob(ROWS)):
            time.sleep(0.1)
        process.send(number)
        ended = process.outcome(process.seconds() + GRACE_S)
        orphans = left_after(sandbox_of(work), GRACE_S)
        shutil.rmtree(work / "outputs")  # is not looked at, since no further run tidies it up
        note = orphans[0][:200] if orphans else f"the sweep ended with {ended.code}, and its training too"
        return replace(ended, code=0, fault="orphan" if orphans else None, note=note)

    return run


def killed(when: Moment) -> Callable[[Bench, Case, Path], Outcome]:
    """Return a function that kills a command at a moment, looks for its children, and runs it again."""

    def run(bench: Bench, case: Case, work: Path) -> Outcome:
        bench.moments(case)  # are measured before the command starts
        process = bench.target.start(case.command, case.words, work)
        hit = when(bench, case, work, process)
        process.send(signal.SIGKILL)
        process.outcome(case.limit_s)
        orphans = left_after(sandbox_of(work), GRACE_S)
        ended = again(bench, case, work)
        if orphans:
            return replace(ended, fault="orphan", note=orphans[0][:200])
        return ended if hit else replace(ended, note="it had ended before")

    return run
