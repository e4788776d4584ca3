"""Pictures fit what they show."""

import matplotlib.image
import pytest
import torch

from ptycho_bench.evaluation.evaluate import Images
from ptycho_bench.records.pictures import draw_field


@pytest.mark.parametrize(("rows", "columns", "stacked"), [(40, 40, False), (60, 30, False), (10, 80, True)])
def test_a_wide_field_is_stacked_so_that_its_pictures_are_as_wide_as_the_page(tmp_path, rows, columns, stacked):
    truth, field = (Images(*torch.rand(2, rows, columns)) for _ in range(2))
    draw_field(tmp_path / "field.png", truth, field, "two random fields")
    page = matplotlib.image.imread(tmp_path / "field.png")[..., :3]
    dark = (page < 0.1).all(axis=-1)  # the frames of the pictures
    longest = max(dark[row].sum() for row in range(len(page)))
    assert (longest > 0.8 * page.shape[1]) == stacked
