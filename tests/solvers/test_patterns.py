"""Patterns as a solver reads them."""

import pytest
import torch

from ptycho_bench.solvers.patterns import mean_photons


def test_the_mean_pattern_counts_good_pixels_a_batch_at_a_time():
    photons, valid_mask, asked = torch.arange(60.0).view(5, 3, 4), torch.rand(3, 4) > 0.5, []

    def patterns(index):
        asked.append(len(index))
        return photons[index]

    assert mean_photons(patterns, 5, batch_size=2) == pytest.approx(photons.sum().item() / 5)
    assert asked == [2, 2, 1]
    photons[:, ~valid_mask] = torch.nan
    assert mean_photons(patterns, 5, batch_size=2, valid_mask=valid_mask) == pytest.approx(photons[:, valid_mask].sum().item() / 5)
