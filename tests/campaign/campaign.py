"""Run the cases that are not in the CSV file yet, one after the other, and add a row for each."""

import csv
import importlib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tests.campaign import sandbox
from tests.campaign.bench import Bench
from tests.campaign.case import BAD, Case, Outcome, check_unique
from tests.campaign.judge import verdict_of
from tests.campaign.processes import left_after
from tests.campaign.results import difference, results_of

COLUMNS = ("case", "kind", "command", "exit code", "seconds", "verdict", "last line")
MODULES = (
    "options",
    "places",
    "files",
    "arrays",
    "texts",
    "flips",
    "hostile",
    "disks",
    "output",
    "signals",
    "races",
    "kills",
    "soak",
)
ORPHAN_S = 3.0  # that a process may live after its command


def all_cases() -> list[Case]:
    """Return every case of the campaign."""
    modules = (importlib.import_module(f"tests.campaign.{name}") for name in MODULES)
    return check_unique(case for module in modules for case in module.cases())


def chosen(cases: Iterable[Case], kinds: Sequence[str], limit: int | None) -> list[Case]:
    """Return the cases of some kinds, evenly spread if there are more than the limit allows for each kind.

    Raises:
        ValueError: If there is no such kind.
    """
    by_kind: dict[str, list[Case]] = {}
    for case in cases:
        by_kind.setdefault(case.kind, []).append(case)
    if unknown := set(kinds) - set(by_kind):
        raise ValueError(f"no kind {', '.join(sorted(unknown))}; kinds are {', '.join(by_kind)}")
    found = []
    for kind in kinds or by_kind:
        some = by_kind[kind]
        step = 1.0 if limit is None else max(1.0, len(some) / limit)
        found += [some[int(step * number)] for number in range(int(len(some) / step))]
    return found


def run_all(bench: Bench, cases: Sequence[Case], file: Path) -> list[dict[str, str]]:
    """Run the cases that a CSV file does not contain yet.

    Returns:
        The rows of these cases, those of earlier calls included.
    """
    done = read_rows(file)
    for number, case in enumerate(cases, start=1):
        if case.key not in done:
            done[case.key] = run_case(bench, case)
            append(file, done[case.key])
            row = done[case.key]
            print(f"{number}/{len(cases)}  {row['verdict']:16s} {row['seconds']:>6s} s  {case.key}", flush=True)
    return [done[case.key] for case in cases]


def run_case(bench: Bench, case: Case) -> dict[str, str]:
    """Run one case in a fresh sandbox and return its row."""
    expected = bench.reference(case) if case.compare else None
    work = bench.sandbox_for(case)
    root = bench.root / "sandbox"
    since = time.monotonic()
    try:
        case.prepare(bench, work)
        before = sandbox.snapshot(root)
        outcome = case.run(bench, case, work)
        orphans = left_after(root, ORPHAN_S)
        if expected is not None and outcome.code == 0 and outcome.fault is None:
            outcome = compared(outcome, work, expected)
        verdict, line = verdict_of(case, outcome, before, work, orphans)
    finally:
        bench.finish(work)
    return row_of(case, outcome, time.monotonic() - since, verdict, line)


def compared(outcome: Outcome, work: Path, expected: dict) -> Outcome:
    """Return an outcome with a fault if its results differ from those of an undisturbed run."""
    different = difference(results_of(work), expected)
    return replace(outcome, fault="silent change", note=different) if different else outcome


def row_of(case: Case, outcome: Outcome, seconds: float, verdict: str, line: str) -> dict[str, str]:
    """Return the row of a case."""
    values = (case.key, case.kind, case.command, outcome.code, f"{seconds:.1f}", verdict, " ".join(line.split()))
    return dict(zip(COLUMNS, map(str, values), strict=True))


def read_rows(file: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a CSV file by case; a row that was cut off is left out."""
    if not file.exists():
        return {}
    with file.open(newline="") as handle:
        return {row["case"]: row for row in csv.DictReader(handle) if row["last line"] is not None}


def append(file: Path, row: dict[str, str]) -> None:
    """Add a row to a CSV file; it is on the disk when this returns."""
    new = not file.exists()
    with file.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
        handle.flush()
        os.fsync(handle.fileno())


def bad_rows(rows: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rows whose verdict is bad."""
    return [row for row in rows if row["verdict"] in BAD]
