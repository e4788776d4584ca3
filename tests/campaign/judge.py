"""Find the verdict on a case from how its command ended and what it did to the sandbox."""

import re
from pathlib import Path

from tests.campaign import sandbox
from tests.campaign.case import ACCEPTED, REFUSED, Case, Outcome
from tests.campaign.sandbox import sandbox_of

INTERNAL = re.compile(
    r"\b[A-Za-z_.]*[a-z](Error|Exception)\b|HYDRA_FULL_ERROR|\bNoneType\b|\bpydantic\b|\bomegaconf\b|\bunhashable\b"
    r"|object is not|not supported between|unsupported operand|__\w+__|unexpected keyword|positional argument"
    r"|object has no attribute|<class '|PosixPath|invalid literal for|could not convert|list index out of range"
)
TRACEBACK = "Traceback (most recent call last)"
LINE_OF_INSPECT = "as a scan: "  # how ptycho-inspect ends if the files are no scan, after it has listed them


def verdict_of(case: Case, outcome: Outcome, before: dict, work: Path, orphans: list[str]) -> tuple[str, str]:
    """Return the verdict and the line that explains it.

    Args:
        case: the case.
        outcome: how its last process ended.
        before: the sandbox before, see `sandbox.snapshot`.
        work: its working folder.
        orphans: command lines of processes that remained.
    """
    damage = damage_to(case, outcome, before, work)
    if damage is not None:
        return damage
    if outcome.fault is not None:
        return outcome.fault, outcome.note or last_line(outcome)
    if orphans:
        return "orphan", orphans[0][:200]
    if TRACEBACK in outcome.out + outcome.err:
        return "traceback", last_line(outcome)
    if leftovers := sandbox.temporary(before, sandbox_of(work)):
        return "leftover", ", ".join(leftovers)[:200]
    return verdict_of_end(case, outcome), outcome.note or last_line(outcome)


def damage_to(case: Case, outcome: Outcome, before: dict[Path, str], work: Path) -> tuple[str, str] | None:
    """Return the verdict if the user or the process came to harm, or None."""
    root = sandbox_of(work)
    if any(path.name.startswith(sandbox.EXECUTED) for path in sandbox.files_below(root)):
        return "code executed", last_line(outcome)
    if lost := sandbox.lost(before, work):
        return "deleted", ", ".join(lost)[:200]
    if strayed := sandbox.strayed(before, root, work, case.places):
        return "escaped", ", ".join(strayed)[:200]
    if outcome.late:
        return "timeout", last_line(outcome)
    if outcome.code < 0 and outcome.fault is None:
        return "crash", f"signal {-outcome.code}; {last_line(outcome)}"
    return None


def verdict_of_end(case: Case, outcome: Outcome) -> str:
    """Return the verdict on an exit code and the lines beside it."""
    if outcome.code == 0:
        return outcome.good if ACCEPTED in case.expected else "nonsense"
    lines = outcome.err.strip().splitlines()
    if case.command == "inspect" and not lines:
        lines = [f"error: {line}" for line in outcome.out.splitlines() if line.startswith(LINE_OF_INSPECT)]
    if any(INTERNAL.search(line) for line in lines):
        return "internal wording"
    if len(lines) != 1 or not lines[0].startswith("error: "):
        return "untidy"
    return REFUSED if REFUSED in case.expected else "wrongly refused"


def last_line(outcome: Outcome) -> str:
    """Return the last line of the error output, or else of the output."""
    lines = outcome.err.strip().splitlines() or outcome.out.strip().splitlines()
    return lines[-1][:300] if lines else ""
