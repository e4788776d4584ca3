"""Which points of a scan a command is about."""

from collections.abc import Sequence

import numpy as np

from ptycho_bench.data.scan import PtychoScan

REGIONS = "all, test or [top,bottom,left,right] in object pixels"


def points_of(
    scan: PtychoScan, region: str | Sequence[float], test: dict | list[dict] | None, name: str | None = None
) -> np.ndarray:
    """Indices of the scan points in a region.

    Args:
        scan: the scan.
        region: `all`; `test`: in the data of training the points the run was tested on, in another scan of the field
            the patches that lie within the object rectangle those cover; or such a rectangle, [first row, end row,
            first column, end column], object pixels.
        test: what the checkpoint says of the run's test points; of several scans, a list; None: no checkpoint.
        name: of the data set; of several scans it tells which field another scan is of.

    Raises:
        ValueError: an unknown region, one without a patch, or no tested scan to take it from.
    """
    if region == "all":
        return np.arange(len(scan))
    if not isinstance(region, str):
        return inside(scan, region)
    if region != "test":
        raise ValueError(f"region must be {REGIONS}, got {region!r}")
    if test is None:
        raise ValueError(
            "region=test is that of a checkpoint's run; name it, region_of=CHECKPOINT, or use region=all or a rectangle"
        )
    if isinstance(test, list):
        test = tested_scan(scan, test, name)
    if scan.content_hash == test["content_hash"]:
        return np.array(test["points"])
    return inside(scan, test["region_px"])


def inside(scan: PtychoScan, rectangle: Sequence[float]) -> np.ndarray:
    """Indices of the points whose patch lies in a rectangle, [top, bottom, left, right], object pixels.

    Raises:
        ValueError: no rectangle, or none of the patches lies in it.
    """
    if len(rectangle) != 4 or rectangle[0] >= rectangle[1] or rectangle[2] >= rectangle[3]:
        raise ValueError(f"region must be {REGIONS}, top < bottom, left < right, got {list(rectangle)}")
    top, bottom, left, right = rectangle
    y, x = scan.positions_px.T
    found = (y >= top) & (y + scan.patch_px <= bottom) & (x >= left) & (x + scan.patch_px <= right)
    if not found.any():
        raise ValueError(
            f"no patch of this scan lies in rows {top:g}..{bottom:g} px, columns {left:g}..{right:g} px; use region=all"
        )
    return np.flatnonzero(found)


def tested_scan(scan: PtychoScan, tested: list[dict], name: str | None) -> dict:
    """Of several scans a run was tested on, this one, or else the one that goes by its name.

    Raises:
        ValueError: neither.
    """
    for one in tested:
        if one["content_hash"] == scan.content_hash:
            return one
    for one in tested:
        if one["name"] == name:
            return one
    raise ValueError(
        f"this scan is none of the {len(tested)} that were tested, {', '.join(one['name'] for one in tested)}, so it "
        "has no test region; use region=all"
    )
