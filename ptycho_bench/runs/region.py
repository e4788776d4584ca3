"""Select the points of a scan that lie in a region."""

from collections.abc import Sequence

import numpy as np

from ptycho_bench.data.scan import PtychoScan

REGIONS = "all, test or [top,bottom,left,right] in object pixels"


def points_of(
    scan: PtychoScan, region: str | Sequence[float], tested: Sequence[dict] | None, name: str | None = None
) -> np.ndarray:
    """Return the indices of the scan points in a region.

    Args:
        scan: the scan.
        region: `all`; `test`: in a scan of the training, the points that the run was tested on, and in another scan of
            the same field, the patches inside the rectangle that those cover; or such a rectangle, [first row, end row,
            first column, end column] in object pixels.
        tested: the tested part of each scan, from the checkpoint; None if there is no checkpoint.
        name: name of the data set, which identifies the field of another scan if the run had several.

    Raises:
        ValueError: If the region is unknown or contains no patch, or no tested scan fits.
    """
    if region == "all":
        return np.arange(len(scan))
    if not isinstance(region, str):
        return inside(scan, region)
    if region != "test":
        raise ValueError(f"region must be {REGIONS}, got {region!r}")
    if tested is None:
        raise ValueError(
            "region=test is that of a checkpoint's run; name it, region_of=CHECKPOINT, or use region=all or a rectangle"
        )
    test = tested_scan(scan, tested, name)
    if scan.content_hash == test["content_hash"]:
        return tested_points(scan, test)
    return inside(scan, test["region_px"])


def tested_points(scan: PtychoScan, test: dict) -> np.ndarray:
    """Return the tested points of a scan of the training.

    Raises:
        ValueError: If the checkpoint names points that the scan does not have.
    """
    points = np.array(test["points"], np.int64)
    if not len(points) or points.min() < 0 or points.max() >= len(scan):
        raise ValueError(f"the checkpoint names test points outside the scan's {len(scan)}; use region=all")
    return points


def inside(scan: PtychoScan, rectangle: Sequence[float]) -> np.ndarray:
    """Return the indices of the points whose patch lies in a rectangle, [top, bottom, left, right] in object pixels.

    Raises:
        ValueError: If it is not a rectangle, or contains no patch.
    """
    numbers = len(rectangle) == 4 and all(isinstance(edge, (int, float)) for edge in rectangle)
    if not numbers or rectangle[0] >= rectangle[1] or rectangle[2] >= rectangle[3]:
        raise ValueError(f"region must be {REGIONS}, top < bottom, left < right, got {list(rectangle)}")
    top, bottom, left, right = rectangle
    y, x = scan.positions_px.T
    found = (y >= top) & (y + scan.patch_px <= bottom) & (x >= left) & (x + scan.patch_px <= right)
    if not found.any():
        raise ValueError(
            f"no patch of this scan lies in rows {top:g}..{bottom:g} px, columns {left:g}..{right:g} px; use region=all"
        )
    return np.flatnonzero(found)


def tested_scan(scan: PtychoScan, tested: Sequence[dict], name: str | None) -> dict:
    """Return the tested part of this scan or, if it was not part of the training, of the scan of the same field.

    Raises:
        ValueError: If there were several scans, and none has this content or name.
    """
    by_content = [one for one in tested if one["content_hash"] == scan.content_hash]
    by_name = [one for one in tested if one["name"] == name]
    found = by_content or (list(tested) if len(tested) == 1 else by_name)
    if not found:
        raise ValueError(
            f"this scan is none of the {len(tested)} that were tested, {', '.join(one['name'] for one in tested)}, so "
            "it has no test region; use region=all"
        )
    return found[0]
