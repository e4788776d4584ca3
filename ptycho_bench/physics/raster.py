"""Size of a raster scan and checks of its settings, without torch."""

MOST_POINTS = 10**7


def step_from_overlap(overlap_ratio: float, probe_px: int) -> int:
    """Step, rounded to whole pixels and at least 1, for the overlap ratio 1 - step / probe width.

    >>> step_from_overlap(0.75, 32)
    8

    Raises:
        ValueError: If overlap_ratio is outside [0, 1).
    """
    if not 0 <= overlap_ratio < 1:
        raise ValueError(f"overlap_ratio must lie in [0, 1), got {overlap_ratio}; 75 % is written 0.75")
    return max(1, round(probe_px * (1 - overlap_ratio)))


def overlap_from_step(step_px: float, probe_px: int) -> float:
    """Overlap ratio 1 - step / probe width of neighbouring patches; 0 if there are gaps between them.

    >>> overlap_from_step(8, 32)
    0.75
    """
    return max(0.0, 1 - step_px / probe_px)


def raster_step(
    object_px: tuple[int, int], probe_px: int, *, overlap_ratio: float | None, step_px: int | None, jitter_px: int
) -> int:
    """Return the step of a raster scan in whole pixels, after all settings were checked; see `scan.raster_scan`.

    Args:
        object_px: height and width of the object.
        probe_px: side of the square probe.
        overlap_ratio: fraction of the probe width that two neighbours share, in [0, 1); None if step_px is given.
        step_px: step in whole pixels; None if overlap_ratio is given.
        jitter_px: largest shift of a point per axis.

    Raises:
        ValueError: If both or neither of overlap_ratio and step_px are given, the step is not a whole number of at
            least 1, the jitter is negative or larger than the probe, the object is smaller than the probe, or there are
            more than 10,000,000 points.
    """
    if (overlap_ratio is None) == (step_px is None):
        given = ("null" if value is None else str(value) for value in (overlap_ratio, step_px))
        raise ValueError(f"give one of overlap_ratio and step_px, got {' and '.join(given)}; set one to null")
    step = step_from_overlap(overlap_ratio, probe_px) if step_px is None else int(step_px)
    if step < 1 or step != (step_px or step):
        raise ValueError(f"step_px must be a whole number of at least 1, got {step_px}")
    if not 0 <= jitter_px <= probe_px:
        raise ValueError(f"jitter_px must lie in [0, {probe_px}], at most the side of the probe, got {jitter_px}")
    if min(object_px) < probe_px:
        raise ValueError(f"object of {tuple(object_px)} px is smaller than the probe of {probe_px} px; enlarge it")
    rows, columns = ((side - probe_px) // step + 1 for side in object_px)
    if rows * columns > MOST_POINTS:
        raise ValueError(
            f"a step of {step} px gives {rows} x {columns} scan points, more than {MOST_POINTS:,}; take a larger step "
            "or a smaller object"
        )
    return step
