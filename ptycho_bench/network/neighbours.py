"""Patterns of neighbouring scan points, which a network may see in addition to the pattern itself."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.errors import DataError


def neighbour_table(scan_index: np.ndarray, points: np.ndarray, radius: int, known: np.ndarray) -> Tensor:
    """Return the indices, in a list of known points, of the patterns around each point.

    >>> neighbour_table(np.array([[0, 0], [0, 1], [0, 2]]), np.array([1, 2]), 1, np.arange(3))[:, 3:6]
    tensor([[ 0,  1,  2],
            [ 1,  2, -1]])

    Args:
        scan_index: (N, 2) int, (scan row, scan column) of each scan point.
        points: (n,) indices of the requested scan points; all of them are known.
        radius: number of scan points on each side.
        known: (M,) indices of the scan points whose patterns may be seen.

    Returns:
        int64 (n, (2 radius + 1)^2) indices into `known`, row by row from the upper left; -1 if there is no pattern.

    Raises:
        DataError: If two scan points have the same index, so that neighbours are not defined.
    """
    if radius == 0:
        place = np.full(len(scan_index), -1, np.int64)
        place[known] = np.arange(len(known))
        return torch.from_numpy(place[points][:, None])
    rows, columns = scan_index.max(axis=0) + 1 + radius
    grid = np.full((rows + radius, columns + radius), -1, np.int64)
    if len(np.unique(scan_index, axis=0)) != len(scan_index):
        raise DataError(
            "scan_index contains the same raster position more than once, so that neighbours are not defined; set "
            "input.neighbours=0"
        )
    grid[tuple(scan_index[known].T)] = np.arange(len(known))
    reach = np.arange(-radius, radius + 1)
    steps = np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=-1).reshape(-1, 2)
    around = scan_index[points][:, None, :] + steps  # an index of -1 wraps to the empty margin
    return torch.from_numpy(grid[around[..., 0], around[..., 1]])


def compact_table(table: Tensor) -> tuple[np.ndarray, Tensor]:
    """Return the patterns that occur in a neighbour table, rising, and the table as indices into these.

    >>> compact_table(torch.tensor([[5, -1], [7, 5]]))
    (array([5, 7]), tensor([[ 0, -1],
            [ 1,  0]]))
    """
    places = table[table >= 0].unique(sorted=True)
    return places.numpy(), torch.searchsorted(places, table).where(table >= 0, -1)


def gather(patterns: Tensor, table: Tensor) -> Tensor:
    """Collect the patterns of each neighbourhood.

    Args:
        patterns: (M, C, H, W).
        table: int64 (B, K), rows of a neighbour table.

    Returns:
        (B, K C, H, W), with zeros where the table contains -1.
    """
    table = table.to(patterns.device)
    if table.shape[1] == 1:
        return patterns[table[:, 0]]
    seen = patterns[table.clamp(min=0)] * (table >= 0).to(patterns.dtype)[..., None, None, None]
    return seen.flatten(1, 2)


def neighbourhoods(intensity: Tensor, neighbours: Tensor | None, patterns: int, batch_size: int) -> Iterator[Tensor]:
    """Return an iterator over the patterns that a network sees, (B, K, H, W) photons, batch by batch.

    Args:
        intensity: (N, H, W), photons.
        neighbours: int64 (n, K), see `neighbour_table`; None if each pattern is seen alone.
        patterns: K, the number of patterns that the network sees per patch.
        batch_size: number of patches in a batch.

    Raises:
        ValueError: If the table has another number of patterns per patch than the network sees.
    """
    if neighbours is None:
        neighbours = torch.arange(len(intensity))[:, None]
    if neighbours.shape[1] != patterns:
        raise ValueError(
            f"this network sees {patterns} patterns per patch, got {neighbours.shape[1]}; pass neighbours="
            "ptycho_bench.network.neighbours.neighbour_table(...)"
        )
    return (gather(intensity.unsqueeze(1), rows) for rows in neighbours.split(batch_size))
