"""Test the windows of the object: views, gathered patches, and sums where patches overlap."""

import pytest
import torch
from torch import Generator, Tensor

from ptycho_bench.solvers.pie_windows import BatchWindows, SingleWindow, check_corners, split_positions

CORNERS = torch.tensor([[0, 0], [2, 3], [16, 15], [2, 4]])


def field() -> Tensor:
    return torch.randn(20, 20, dtype=torch.complex64, generator=Generator().manual_seed(0))


@pytest.mark.parametrize("index", range(4))
def test_a_single_window_equals_a_batch_of_one(index):
    change = field()[:4, :5][None, None]
    objects = []
    for kind in (SingleWindow, BatchWindows):
        obj = field()
        windows = kind(obj, CORNERS, (4, 5))
        location = windows.locate(torch.tensor([index]))
        y, x = CORNERS[index].tolist()
        assert torch.equal(windows.cut(location)[0, 0], field()[y : y + 4, x : x + 5])
        assert torch.equal(windows.total_illumination(location, change.abs()), change.abs())
        windows.add(location, change)
        objects.append(obj)
    torch.testing.assert_close(*objects)


@pytest.mark.parametrize("batch", [[1, 3], [0, 1, 2, 3]])
def test_overlapping_patches_add_up_and_do_not_affect_the_next_batch(batch):
    obj, illumination = field(), torch.rand(1, 1, 4, 5, generator=Generator().manual_seed(1))
    windows = BatchWindows(obj, CORNERS, (4, 5))
    expected, total = field(), torch.zeros(20, 20)
    for y, x in CORNERS[batch].tolist():
        expected[y : y + 4, x : x + 5] += 1j
        total[y : y + 4, x : x + 5] += illumination[0, 0]
    location = windows.locate(torch.tensor(batch))
    for _ in range(2):
        found = windows.total_illumination(location, illumination)
        for patch, (y, x) in zip(found[:, 0], CORNERS[batch].tolist(), strict=True):
            torch.testing.assert_close(patch, total[y : y + 4, x : x + 5])
    windows.add(location, torch.full((len(batch), 1, 4, 5), 1j))
    torch.testing.assert_close(obj, expected)


def test_positions_are_split_into_whole_pixels_and_a_remainder():
    corners, fraction_px = split_positions(torch.tensor([[1.25, 2.75], [-3.0, 0.5], [-0.5, 1.5]], dtype=torch.float64))
    assert corners.tolist() == [[1, 3], [-3, 1], [0, 2]]  # halves are always rounded up
    assert fraction_px.tolist() == [[0.25, -0.25], [0.0, -0.5], [-0.5, -0.5]]


def test_corners_at_the_edge_are_accepted_and_those_beyond_are_refused():
    check_corners(torch.tensor([[0, 0], [16, 15]]), (20, 20), (4, 5))
    with pytest.raises(ValueError, match=r"span \(0, 3\)\.\.\(17, 4\).*allows \(0, 0\)\.\.\(16, 15\)"):
        check_corners(torch.tensor([[0, 4], [17, 3]]), (20, 20), (4, 5))
