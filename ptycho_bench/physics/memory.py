"""Check that what will be computed fits into the memory of this machine."""

import os


def check_memory(needed_bytes: float, what: str, way_out: str) -> None:
    """Check that this machine has as much memory as a computation needs.

    Args:
        needed_bytes: what it needs.
        what: what needs it, the beginning of the message.
        way_out: what to change, the end of the message.

    Raises:
        ValueError: If it has less; where the size of the memory is unknown, nothing is checked.
    """
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed_bytes > installed:
        raise ValueError(
            f"{what} needs {needed_bytes / 1e9:,.0f} GB, this machine has {installed / 1e9:,.0f} GB; {way_out}"
        )


def check_scan_memory(points: int, side_px: int) -> None:
    """Check that the patterns, amplitudes and phases of a scan fit into memory, single precision each.

    Raises:
        ValueError: If they do not.
    """
    what = f"a scan of {points:,} points with patterns of {side_px} px"
    check_memory(points * side_px**2 * 3 * 4, what, "take a larger step, a smaller object or a smaller probe")
