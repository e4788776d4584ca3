"""The region of a scan that a command line names."""

import math
from collections.abc import Sequence

REGIONS = "all, test or [top,bottom,left,right] in object pixels"


def region_named(value: object) -> str | list[float]:
    """Return a region as plain values: `all`, `test`, or [top, bottom, left, right] in object pixels.

    Args:
        value: what the configuration has under `region`.

    Raises:
        ValueError: If it is none of these.
    """
    if value in ("all", "test"):
        return value
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"region must be {REGIONS}, got {value!r}")
    edges = list(value)
    numbers = all(isinstance(edge, (int, float)) and not isinstance(edge, bool) for edge in edges)
    if len(edges) != 4 or not numbers or not all(map(math.isfinite, edges)):
        raise ValueError(f"region must be {REGIONS}, that is 4 numbers, got {edges}")
    if edges[0] >= edges[1] or edges[2] >= edges[3]:
        raise ValueError(f"region must be {REGIONS}, top < bottom, left < right, got {edges}")
    return edges
