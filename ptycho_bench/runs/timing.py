"""Repeated timing: the first pass is cold, and the mean of the following ones is the run time."""

from collections.abc import Callable
from statistics import fmean

REPEATS = 10
BUDGET_S = 20.0  # for all repeats; a slow pass is repeated less often, but at least once


def timing_record(cold_seconds: float, repeat: Callable[[], float]) -> dict:
    """Repeat a pass and return its times as results.json has them.

    Args:
        cold_seconds: time of the first pass, s.
        repeat: repeats the pass and returns its time, s.

    Returns:
        `seconds`, the mean over the repeats, `cold_seconds` and `repeats`, their number.
    """
    repeats = max(1, min(REPEATS, int(BUDGET_S / cold_seconds)))
    return {"seconds": fmean(repeat() for _ in range(repeats)), "cold_seconds": cold_seconds, "repeats": repeats}
