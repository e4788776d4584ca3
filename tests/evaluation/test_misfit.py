"""The diffraction misfit: zero for the truth, against a plain loop, bad pixels and batches."""

import numpy as np
import pytest
import torch
from torch import Generator

from ptycho_bench.evaluation.misfit import diffraction_misfit


@pytest.fixture
def scan(tiny_scan):
    """Patterns (as a callable), positions, probe, object of the tiny scan."""
    arrays = (tiny_scan.positions_px, tiny_scan.probe, tiny_scan.obj)
    return lambda points: tiny_scan.patterns(points.numpy()), *(torch.from_numpy(array) for array in arrays)


def spoil(obj):
    return obj * torch.polar(torch.ones(obj.shape), 0.3 * torch.randn(obj.shape, generator=Generator().manual_seed(0)))


def test_the_truth_fits_and_another_object_does_not(scan):
    assert diffraction_misfit(*scan) < 1e-4
    patterns, positions, probe, obj = scan
    assert diffraction_misfit(patterns, positions, probe, spoil(obj)) > 0.05
    assert diffraction_misfit(patterns, positions, probe, 0 * obj) == pytest.approx(1.0)


def test_the_misfit_is_that_of_a_plain_loop(scan):
    patterns, positions, probe, obj = scan
    modes, obj = torch.cat((0.8 * probe, 0.5j * probe.mT)), spoil(obj)
    good = torch.rand(16, 16, generator=Generator().manual_seed(1)) > 0.2
    top = bottom = 0.0
    for n, (y, x) in enumerate(positions.numpy().astype(int)):
        measured = np.sqrt(patterns(torch.tensor([n]))[0].numpy())
        waves = np.fft.fftshift(np.fft.fft2(modes.numpy() * obj[y : y + 16, x : x + 16].numpy(), norm="ortho"), (1, 2))
        model = np.sqrt((np.abs(waves) ** 2).sum(axis=0))
        top += np.abs(measured - model)[good.numpy()].sum()
        bottom += measured[good.numpy()].sum()
    for batch_size in (1, 50, 1000):
        found = diffraction_misfit(patterns, positions, modes, obj, good=good, batch_size=batch_size)
        assert found == pytest.approx(top / bottom, rel=1e-5)


def test_bad_pixels_do_not_count(scan):
    patterns, *rest = scan
    good = torch.ones(16, 16, dtype=torch.bool)
    good[3, 4] = False
    hot = torch.zeros(16, 16).masked_fill(~good, 1e9)
    assert diffraction_misfit(lambda points: patterns(points) + hot, *rest, good=good) < 1e-4
    assert diffraction_misfit(lambda points: patterns(points) + hot, *rest) > 0.5


def test_positions_are_rounded(scan):
    patterns, positions, probe, obj = scan
    inside = positions.clamp(min=0.4, max=96 - 16 - 0.4) - positions
    shifted = positions + torch.where(inside == 0, 0.4, inside)
    assert diffraction_misfit(patterns, shifted, probe, obj) == diffraction_misfit(*scan)


def test_what_does_not_fit_is_refused(scan):
    patterns, positions, probe, obj = scan
    with pytest.raises(ValueError, match="shift them or enlarge the object"):
        diffraction_misfit(patterns, positions + 20, probe, obj)
    with pytest.raises(ValueError, match=r"patterns are \(16, 16\) px, the probe \(12, 12\) px"):
        diffraction_misfit(patterns, positions, probe[:, 2:-2, 2:-2], obj)
    with pytest.raises(ValueError, match="sum to 0 on the pixels that count"):
        diffraction_misfit(lambda points: 0 * patterns(points), positions, probe, obj)
