"""Patterns of neighbouring scan points, which a network may see beside the pattern itself."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.errors import DataError


def neighbour_table(scan_index: np.ndarray, points: np.ndarray, radius: int, known: np.ndarray) -> Tensor:
    """Where the patterns around each point lie in a list of known points.

    >>> neighbour_table(np.array([[0, 0], [0, 1], [0, 2]]), np.array([1, 2]), 1, np.arange(3))[:, 3:6]
    tensor([[ 0,  1,  2],
            [ 1,  2, -1]])

    Args:
        scan_index: (N, 2) int, (scan row, scan column).
        points: (n,) indices of the points asked for; all are known.
        radius: scan points on each side.
        known: (M,) indices of the points whose patterns may be seen.

    Returns:
        int64 (n, (2 radius + 1)^2), row by row from upper left, into `known`; -1 where there is none.

    Raises:
        DataError: two scan points with one index, so that neighbours are not defined.
    """
    if radius == 0:
        place = np.full(len(scan_index), -1, np.int64)
        place[known] = np.arange(len(known))
        return torch.from_numpy(place[points][:, None])
    rows, columns = scan_index.max(axis=0) + 1 + radius
    grid = np.full((rows + radius, columns + radius), -1, np.int64)
    if len(np.unique(scan_index, axis=0)) != len(scan_index):
        raise DataError("scan_index names some raster places twice; input.neighbours needs each once, or 0")
    grid[tuple(scan_index[known].T)] = np.arange(len(known))
    reach = np.arange(-radius, radius + 1)
    steps = np.stack(np.meshgrid(reach, reach, indexing="ij"), axis=-1).reshape(-1, 2)
    around = scan_index[points][:, None, :] + steps  # an index of -1 wraps to the empty margin
    return torch.from_numpy(grid[around[..., 0], around[..., 1]])


def compact_table(table: Tensor) -> tuple[np.ndarray, Tensor]:
    """Which patterns some rows of a neighbour table name, rising, and the rows as places among these alone.

    >>> reached(torch.tensor([[5, -1], [7, 5]]))
    (array([5, 7]), tensor([[ 0, -1],
            [ 1,  0]]))
    """
    places = table[table >= 0].unique(sorted=True)
    return places.numpy(), torch.searchsorted(places, table).where(table >= 0, -1)


def gather(patterns: Tensor, table: Tensor) -> Tensor:
    """Patterns (M, C, H, W) by rows (B, K) of a neighbour table: (B, K C, H, W), zeros where the table has -1."""
    table = table.to(patterns.device)
    if table.shape[1] == 1:
        return patterns[table[:, 0]]
    seen = patterns[table.clamp(min=0)] * (table >= 0).to(patterns.dtype)[..., None, None, None]
    return seen.flatten(1, 2)


def neighbourhoods(intensity: Tensor, neighbours: Tensor | None, patterns: int, batch_size: int) -> Iterator[Tensor]:
    """What a network sees, batch by batch: (B, K, H, W), photons.

    Args:
        intensity: (N, H, W), photons.
        neighbours: int64 (n, K), see `neighbour_table`; None: each pattern alone.
        patterns: K, how many the network sees a patch.
        batch_size: patches at once.

    Raises:
        ValueError: another number of neighbours than the network sees.
    """
    if neighbours is None:
        neighbours = torch.arange(len(intensity))[:, None]
    if neighbours.shape[1] != patterns:
        raise ValueError(
            f"this network sees {patterns} patterns a patch, got {neighbours.shape[1]}; pass neighbours="
            "network.neighbours.neighbour_table(...)"
        )
    return (gather(intensity.unsqueeze(1), rows) for rows in neighbours.split(batch_size))
