"""Closed, full and ASCII-only output: no command fails or loses results by what it prints."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.campaign.bench import RUN, SWEEP, Bench
from tests.campaign.case import Case, Outcome, accepted
from tests.campaign.moments import COMMANDS
from tests.campaign.real import Process, filled

KIND = "output"
TRIED = ("train", "simulate", "reconstruct", "evaluate", "export", "import", "sweep", "report")
SHORTER = {"train": (RUN, ()), "sweep": (SWEEP, ("benchmark",))}
REDIRECTIONS = {"stdout closed": ">&-", "stdout and stderr closed": ">&- 2>&-", "all closed": "<&- >&- 2>&-"}
ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}


def cases() -> Iterator[Case]:
    """Return the cases; each command meets each kind of output once, and the closed ones in turn."""
    ways = [*REDIRECTIONS.items(), ("ASCII only", "")]
    for number, command in enumerate(TRIED):
        for name, redirection in (ways[number % 3], ways[3]):
            words, needs = SHORTER.get(command, COMMANDS[command])
            run = redirected(redirection, {} if redirection else ASCII)
            yield Case(KIND, name, command, words, needs, run=run, expected=accepted(), compare=True, limit_s=300)


def redirected(redirection: str, changes: dict[str, str]) -> Callable[[Bench, Case, Path], Outcome]:
    """Return a function that starts a command from a shell with a redirection."""

    def run(bench: Bench, case: Case, work: Path) -> Outcome:
        line = ["sh", "-c", f'exec "$@" {redirection}', "sh", str(bench.target.bin / f"ptycho-{case.command}")]
        environment = {**bench.target.environment(work), **changes}
        return Process([*line, *filled(case.words, work)], work, environment, "real").outcome(case.limit_s)

    return run
