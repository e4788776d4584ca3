"""Select the points of a scan that lie in a region, and the rectangle of object pixels that is scored there."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ptycho_bench.config.region import region_named
from ptycho_bench.data.frames import contiguous_runs
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.evaluation.metrics import GAUSSIAN_SIDE
from ptycho_bench.evaluation.stitch import scored_rectangle

Rectangle = tuple[int, int, int, int]  # [first row, end row, first column, end column], object pixels


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
    rectangle = rectangle_of(scan, region, tested, name)
    if region == "test" and (test := tested_scan(scan, tested, name))["content_hash"] == scan.content_hash:
        return tested_points(scan, test)
    return inside(scan, rectangle)


def common_rectangle(
    scan: PtychoScan, region: str | Sequence[float], tested: Sequence[dict] | None, name: str | None = None
) -> Rectangle | None:
    """Return the rectangle that is scored in a region, the same for every scan of a field.

    It is the region without a margin of half a patch, in which even a dense scan has few patches. In a scan of the
    training, this is the rectangle between the centres of the outermost tested patches. Another scan may leave some of
    its pixels without a patch, since only patches inside the region are used; those pixels do not count.

    Args:
        scan: the scan.
        region: `all`, `test`, or [first row, end row, first column, end column] in object pixels; see `points_of`.
        tested: the tested part of each scan, from the checkpoint; None if there is no checkpoint.
        name: name of the data set, which identifies the field of another scan if the run had several.

    Returns:
        [first row, end row, first column, end column] in object pixels; None for `all`, where it depends on the scan.

    Raises:
        ValueError: If the region is unknown, or no tested scan fits.
    """
    if region == "all":
        return None
    top, bottom, left, right = rectangle_of(scan, region, tested, name)
    first, end = (math.ceil(top), math.ceil(left)), (math.floor(bottom), math.floor(right))
    shape = tuple(after - before for before, after in zip(first, end, strict=True))
    rows, columns = scored_rectangle(shape, scan.patch_px, GAUSSIAN_SIDE)
    return first[0] + rows.start, first[0] + rows.stop, first[1] + columns.start, first[1] + columns.stop


def rectangle_of(
    scan: PtychoScan, region: str | Sequence[float], tested: Sequence[dict] | None, name: str | None
) -> Sequence[float]:
    """Return the rectangle of a region other than `all`, [top, bottom, left, right] in object pixels; see `points_of`.

    Raises:
        ValueError: If the region is unknown, is not a rectangle, or no tested scan fits.
    """
    if region_named(region) != "test":
        return region
    if tested is None:
        raise ValueError(
            "region=test is that of a checkpoint's run; name it with region_of=CHECKPOINT, or use region=all or a "
            "rectangle"
        )
    return tested_scan(scan, tested, name)["region_px"]


def tested_points(scan: PtychoScan, test: Mapping) -> np.ndarray:
    """Return the tested points of a scan of the training.

    Raises:
        ValueError: If the checkpoint names points that the scan does not have.
    """
    points = np.array(test["points"], np.int64)
    if not len(points) or points.min() < 0 or points.max() >= len(scan):
        raise ValueError(f"the checkpoint names test points outside the scan's {len(scan)}; use region=all")
    return points


def training_points(scan: PtychoScan, test: Mapping) -> np.ndarray:
    """Return the training points of a scan of the training.

    Raises:
        ValueError: If the checkpoint names points that the scan does not have.
    """
    if test["train"][-1][1] > len(scan):  # the ranges rise
        raise ValueError(f"the checkpoint names training points outside the scan's {len(scan)}; train it again")
    return np.concatenate([np.arange(first, end) for first, end in test["train"]])


def ranges_of(points: np.ndarray) -> list[list[int]]:
    """Return points as rising ranges [first, end), in which a checkpoint stores the training points.

    >>> ranges_of(np.array([7, 0, 1, 2]))
    [[0, 3], [7, 8]]
    """
    points = np.unique(points)
    return [[int(points[first]), int(points[end - 1]) + 1] for first, end in contiguous_runs(points)]


def inside(scan: PtychoScan, rectangle: Sequence[float]) -> np.ndarray:
    """Return the indices of the points whose patch lies in a rectangle, [top, bottom, left, right] in object pixels.

    Raises:
        ValueError: If it contains no patch.
    """
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
