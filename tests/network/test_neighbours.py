"""Neighbourhoods of scan points."""

import numpy as np
import pytest
import torch

from ptycho_bench.data.errors import DataError
from ptycho_bench.network.neighbours import gather, neighbour_table

GRID = np.stack(np.meshgrid(np.arange(4), np.arange(5), indexing="ij"), axis=-1).reshape(-1, 2)


def around(row, column):
    """Scan points of the 3 x 3 neighbourhood, row by row; -1 outside the 4 x 5 scan."""
    places = [(row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return [5 * y + x if 0 <= y < 4 and 0 <= x < 5 else -1 for y, x in places]


def test_every_point_finds_its_neighbours_and_the_edges_have_gaps():
    table = neighbour_table(GRID, np.arange(20), 1, np.arange(20))
    assert table.tolist() == [around(row, column) for row, column in GRID]


def test_the_order_of_the_points_does_not_matter():
    order = np.random.default_rng(0).permutation(20)
    table = neighbour_table(GRID[order], np.arange(20), 1, np.arange(20))
    named = [[-1 if k < 0 else order[k] for k in row] for row in table.tolist()]
    assert named == [around(row, column) for row, column in GRID[order]]


def test_points_that_are_not_known_are_gaps():
    known = np.flatnonzero(GRID[:, 0] < 2)
    table = neighbour_table(GRID, known, 1, known)
    below = table[GRID[known, 0] == 1][:, 6:]
    assert (below == -1).all()
    assert table.max() < len(known)


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_the_middle_of_a_neighbourhood_is_the_point_itself(radius):
    known = np.array([3, 7, 8, 12, 19])
    table = neighbour_table(GRID, known, radius, known)
    assert table.shape == (5, (2 * radius + 1) ** 2)
    assert table[:, table.shape[1] // 2].tolist() == list(range(5))


def test_two_points_with_one_index_are_refused():
    twice = np.array([[0, 0], [0, 0]])
    with pytest.raises(DataError, match=r"the same raster position more than once, .* set input.neighbours=0"):
        neighbour_table(twice, np.arange(2), 1, np.arange(2))
    assert neighbour_table(twice, np.arange(2), 0, np.arange(2)).tolist() == [[0], [1]]


def test_gathered_patterns_are_in_the_order_of_the_table_and_gaps_are_zero():
    patterns = torch.arange(1.0, 7).reshape(3, 2, 1, 1).expand(-1, -1, 4, 4)
    seen = gather(patterns, torch.tensor([[2, -1, 0], [1, 1, -1]]))
    assert seen.shape == (2, 6, 4, 4)
    assert seen[..., 0, 0].tolist() == [[5, 6, 0, 0, 1, 2], [3, 4, 3, 4, 0, 0]]
    assert torch.equal(gather(patterns, torch.tensor([[2], [0]])), patterns[[2, 0]])
