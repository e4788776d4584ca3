"""What a case of the campaign is, and the verdicts on it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.campaign.bench import Bench

REFUSED, ACCEPTED, STOPPED, SKIPPED = "refused", "accepted", "stopped", "skipped"
GOOD = {
    REFUSED: "exit code not 0 and exactly one line, which begins with `error: ` and names nothing internal",
    ACCEPTED: "exit code 0 where that is right, with the result of an undisturbed run where there is one",
    STOPPED: "ended by a signal with 128 plus its number and one line, and the same command then gave the same result",
    SKIPPED: "not tried, because this machine does not allow it; the last line says why",
}
BAD = {
    "code executed": "a file of the case made a program or a class run",
    "deleted": "a file that the command had not written was changed or removed",
    "escaped": "a file was written outside of the folders that the command line names",
    "crash": "the process was ended by a signal that nobody sent",
    "timeout": "the process did not end in time and was killed",
    "orphan": "a process was still there after the command had ended",
    "traceback": "a traceback was printed",
    "silent change": "exit code 0 with a result that differs from that of an undisturbed run",
    "wrongly refused": "a correct command failed",
    "nonsense": "exit code 0 for a value or a file that makes no sense",
    "leftover": "temporary files or half results stayed",
    "internal wording": "the line names an exception, a class or a variable of the program",
    "untidy": "another exit code, no line, or more than one",
    "drift": "memory or open files grew, or a record could not be read",
}
VERDICTS = {**GOOD, **BAD}


@dataclass
class Outcome:
    """How the last process of a case ended.

    Args:
        code: exit code; minus the number of the signal that ended it.
        seconds: wall-clock time.
        out: what it printed.
        err: what it printed to the error output.
        late: whether it was killed because it took too long.
        fault: verdict that was found on the way; None if there is none yet.
        good: verdict if nothing is wrong and the exit code is 0.
        note: what to write in place of the last line.
    """

    code: int
    seconds: float
    out: str = ""
    err: str = ""
    late: bool = False
    fault: str | None = None
    good: str = ACCEPTED
    note: str = ""


def nothing(bench: "Bench", work: Path) -> None:
    """Leave the sandbox as it is."""


def once(bench: "Bench", case: "Case", work: Path) -> Outcome:
    """Run the command of a case once."""
    return bench.target.run(case.command, case.words, work, limit_s=case.limit_s)


@dataclass(frozen=True)
class Case:
    """One command with one thing wrong.

    Args:
        kind: part of the campaign.
        name: what is wrong; unique within its kind and command.
        command: the command without `ptycho-`.
        words: its command line.
        needs: samples that are copied to the sandbox, see `bench.SAMPLES`.
        prepare: changes the sandbox before the command runs.
        run: runs the command, or several.
        expected: what the command may do: refuse, or accept and do its work.
        compare: whether the results are compared with those of the same command in an undisturbed sandbox.
        places: paths that the command may write besides `outputs`.
        limit_s: time limit of one process.
    """

    kind: str
    name: str
    command: str
    words: tuple[str, ...]
    needs: tuple[str, ...] = ()
    prepare: Callable[["Bench", Path], None] = nothing
    run: Callable[["Bench", "Case", Path], Outcome] = once
    expected: frozenset[str] = field(default=frozenset({REFUSED}))
    compare: bool = False
    places: tuple[str, ...] = ()
    limit_s: float = 60.0

    @property
    def key(self) -> str:
        """Name of the case in the CSV file."""
        return f"{self.kind}/{self.command}/{self.name}"


def accepted(*others: str) -> frozenset[str]:
    """Return the verdicts of a case whose command may do its work."""
    return frozenset({ACCEPTED, *others})


def check_unique(cases: Iterable[Case]) -> list[Case]:
    """Return the cases as a list.

    Raises:
        ValueError: If two have the same key.
    """
    found = list(cases)
    keys = [case.key for case in found]
    if repeated := {key for key in keys if keys.count(key) > 1}:
        raise ValueError(f"cases must differ, got twice: {', '.join(sorted(repeated))}")
    return found
