"""Commands that are ended by SIGINT, SIGTERM or SIGHUP: a certain exit code, one line, then the usual result."""

import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.campaign.bench import Bench
from tests.campaign.case import STOPPED, Case, Outcome
from tests.campaign.moments import COMMANDS, GRACE_S, Moment, again, disturbed, random_moment
from tests.campaign.processes import left_after
from tests.campaign.real import Process, filled
from tests.campaign.sandbox import sandbox_of

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
RESUMED = re.compile(r"continues from epoch \d+ of \d+")


def cases() -> Iterator[Case]:
    """Return the cases."""
    for number in CODES:
        for place, command in enumerate(COMMANDS):
            yield disturbed("signals", number.name, command, stopped(number, random_moment(place)))
    yield disturbed("signals", "SIGHUP under nohup", "train", ignored_hangup)


def stopped(number: signal.Signals, when: Moment) -> Callable[[Bench, Case, Path], Outcome]:
    """Return a function that sends a signal at a moment, checks how the command ends, and runs it again."""

    def run(bench: Bench, case: Case, work: Path) -> Outcome:
        bench.moments(case)  # are measured before the command starts
        process = bench.target.start(case.command, case.words, work)
        hit = when(bench, case, work, process)
        process.send(number)
        first = process.outcome(case.limit_s)
        orphans = left_after(sandbox_of(work), GRACE_S)
        resumable = case.command == "train" and can_resume(work)
        second = again(bench, case, work)
        if not hit:
            return replace(second, note="it had ended before")
        fault, note = fault_of(number, first, orphans)
        if fault is None and resumable and not RESUMED.search(second.out + second.err):
            fault, note = "untidy", "it continued and did not name the epoch"
        return replace(second, fault=fault, good=STOPPED, note=note)

    return run


def can_resume(work: Path) -> bool:
    """Return True if a training has finished an epoch and not the whole run."""
    return any(not (path.parent / "results.json").exists() for path in work.glob("outputs/runs/*/*/last.ckpt"))


def fault_of(number: signal.Signals, first: Outcome, orphans: list[str]) -> tuple[str | None, str]:
    """Return the verdict on a command that received a signal, or None, and the reason."""
    lines = first.err.strip().splitlines()
    if orphans:
        return "orphan", orphans[0][:200]
    if first.late:
        return "timeout", f"{number.name} did not end it"
    if "Traceback" in first.err:
        return "traceback", lines[-1][:200]
    if first.code != CODES[number] or len(lines) != 1 or not lines[0].startswith("interrupted"):
        return "untidy", f"{number.name}: exit code {first.code}, {len(lines)} lines {' '.join(lines[-1:])}"[:200]
    return None, lines[0]


def ignored_hangup(bench: Bench, case: Case, work: Path) -> Outcome:
    """Send SIGHUP to a command that was started to ignore it, as by nohup; it must run to its end."""
    line = [str(bench.target.bin / f"ptycho-{case.command}"), *filled(case.words, work)]
    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *line]
    process = Process(ignoring, work, bench.target.environment(work), "real")
    random_moment(0)(bench, case, work, process)
    process.send(signal.SIGHUP)
    return process.outcome(case.limit_s)
