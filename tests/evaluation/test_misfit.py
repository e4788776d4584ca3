"""Diffraction misfit: zero for the truth, equal to a loop in NumPy, with a mask, in batches, with a shifted probe."""

import numpy as np
import pytest
import torch
from torch import Generator

from ptycho_bench.evaluation.misfit import diffraction_misfit


@pytest.fixture
def scan(tiny_scan):
    """Return patterns (as a function), positions, probe and object of the tiny scan."""
    arrays = (tiny_scan.positions_px, tiny_scan.probe, tiny_scan.obj)
    return lambda points: tiny_scan.patterns(points.numpy()), *(torch.from_numpy(array) for array in arrays)


def disturbed(obj):
    return obj * torch.polar(torch.ones(obj.shape), 0.3 * torch.randn(obj.shape, generator=Generator().manual_seed(0)))


def test_the_misfit_is_zero_for_the_truth_and_larger_for_other_objects(scan):
    assert diffraction_misfit(*scan).mean < 1e-4
    patterns, positions, probe, obj = scan
    assert diffraction_misfit(patterns, positions, probe, disturbed(obj)).mean > 0.05
    assert diffraction_misfit(patterns, positions, probe, 0 * obj).mean == pytest.approx(1.0)


def test_the_misfit_equals_that_of_a_loop_in_numpy(scan):
    patterns, positions, probe, obj = scan
    modes, obj = torch.cat((0.8 * probe, 0.5j * probe.mT)), disturbed(obj)
    valid_mask = torch.rand(16, 16, generator=Generator().manual_seed(1)) > 0.2
    sums = np.zeros(4)
    for n, (y, x) in enumerate(positions.numpy().astype(int)):
        measured = np.sqrt(patterns(torch.tensor([n]))[0].numpy())
        waves = np.fft.fftshift(np.fft.fft2(modes.numpy() * obj[y : y + 16, x : x + 16].numpy(), norm="ortho"), (1, 2))
        model = np.sqrt((np.abs(waves) ** 2).sum(axis=0))
        residual, measured = (values[valid_mask.numpy()] for values in (measured - model, measured))
        sums += np.abs(residual).sum(), measured.sum(), (residual**2).sum(), (measured**2).sum()
    for batch_size in (1, 50, 1000):
        found = diffraction_misfit(patterns, positions, modes, obj, valid_mask=valid_mask, batch_size=batch_size)
        expected = (sums[0] / sums[1], np.sqrt(sums[2] / sums[3]))
        assert found == pytest.approx(expected, rel=1e-5)


def test_masked_pixels_do_not_count(scan):
    patterns, *rest = scan
    valid_mask = torch.ones(16, 16, dtype=torch.bool)
    valid_mask[3, 4] = False
    hot = torch.zeros(16, 16).masked_fill(~valid_mask, 1e9)
    assert diffraction_misfit(lambda points: patterns(points) + hot, *rest, valid_mask=valid_mask).mean < 1e-4
    assert diffraction_misfit(lambda points: patterns(points) + hot, *rest).mean > 0.5


def test_positions_are_rounded(scan):
    patterns, positions, probe, obj = scan
    inside = positions.clamp(min=0.4, max=96 - 16 - 0.4) - positions
    shifted = positions + torch.where(inside == 0, 0.4, inside)
    assert diffraction_misfit(patterns, shifted, probe, obj).mean == diffraction_misfit(*scan).mean


def test_a_subpixel_position_shifts_the_probe_as_a_phase_ramp_does(scan):
    _, positions, probe, obj = scan
    fraction = torch.tensor([0.3, -0.4])
    y, x = (np.fft.fftfreq(16) for _ in range(2))
    ramp = np.exp(-2j * np.pi * (0.3 * y[:, None] - 0.4 * x))
    shifted = np.fft.ifft2(np.fft.fft2(probe.numpy()) * ramp)
    inner = positions[(positions.min(dim=1).values >= 1) & (positions.max(dim=1).values < 79)]

    def patterns(points):
        cut = np.stack([obj[y : y + 16, x : x + 16].numpy() for y, x in inner[points].long().tolist()])
        waves = np.fft.fftshift(np.fft.fft2(shifted[0] * cut, norm="ortho"), (1, 2))
        return torch.from_numpy(np.abs(waves) ** 2).float()

    assert diffraction_misfit(patterns, inner + fraction, probe, obj, subpixel=True).rms < 1e-4
    assert diffraction_misfit(patterns, inner + fraction, probe, obj).rms > 0.05


def test_impossible_input_is_rejected(scan):
    patterns, positions, probe, obj = scan
    with pytest.raises(ValueError, match="shift them or enlarge the object"):
        diffraction_misfit(patterns, positions + 20, probe, obj)
    with pytest.raises(ValueError, match=r"patterns have \(16, 16\) px, the probe \(12, 12\) px"):
        diffraction_misfit(patterns, positions, probe[:, 2:-2, 2:-2], obj)
    with pytest.raises(ValueError, match="sum to 0 on the pixels that count"):
        diffraction_misfit(lambda points: 0 * patterns(points), positions, probe, obj)
