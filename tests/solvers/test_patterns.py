"""Test how a solver reads patterns."""

import pytest
import torch

from ptycho_bench.solvers.patterns import mean_photons


def test_mean_photons_counts_valid_pixels_batch_by_batch():
    photons, batches = torch.arange(60.0).view(5, 3, 4), []
    valid_mask = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)) > 0.5

    def patterns(index):
        batches.append(len(index))
        return photons[index]

    assert mean_photons(patterns, 5, batch_size=2) == pytest.approx(photons.sum().item() / 5)
    assert batches == [2, 2, 1]
    photons[:, ~valid_mask] = torch.nan
    valid_mean = photons[:, valid_mask].sum().item() / 5
    assert mean_photons(patterns, 5, batch_size=2, valid_mask=valid_mask) == pytest.approx(valid_mean)
