"""Commands that are started two or four times at the same moment: one does the work, with the usual result."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.campaign.bench import Bench
from tests.campaign.case import Case, Outcome
from tests.campaign.moments import disturbed

RACES = {
    "train": (2, 4), "simulate": (2, 4), "reconstruct": (2, 4), "evaluate": (2,), "export": (2,), "import": (2,),
    "sweep": (2,), "report": (2,), "profile": (2,),
}  # fmt: skip


def cases() -> Iterator[Case]:
    """Return the cases."""
    for command, counts in RACES.items():
        for count in counts:
            yield disturbed("races", f"{count} at once", command, raced(count))


def raced(count: int) -> Callable[[Bench, Case, Path], Outcome]:
    """Return a function that starts a command several times at the same moment."""

    def run(bench: Bench, case: Case, work: Path) -> Outcome:
        ended = bench.target.run_together(case.command, [case.words] * count, work, case.limit_s)
        worst = max(ended, key=lambda one: (one.late, one.code < 0, "Traceback" in one.err, one.err.count("\n")))
        trained = sum("epoch 1/" in one.out for one in ended)
        if case.command == "train" and trained != 1:
            return replace(worst, fault="silent change", note=f"{trained} of {count} processes trained")
        return worst if worst.code <= 0 or "Traceback" in worst.err else loser(worst)

    return run


def loser(outcome: Outcome) -> Outcome:
    """Return the outcome of a race whose loser was refused, which is right if it takes one line."""
    fine = outcome.err.startswith("error: ") and outcome.err.count("\n") == 1
    return replace(outcome, code=0, fault=None if fine else "untidy", note=outcome.err.strip()[:200])
