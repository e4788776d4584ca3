"""Alignment: global phase, amplitude scale, phase ramp and shift are removed, and nothing else changes."""

import math

import pytest
import torch
from torch import Generator

from ptycho_bench.evaluation.align import align_object, phase_ramp, plane_wave

SHAPE = (48, 61)
ALL_BUT_SHIFT = {"amplitude_scale": True, "ramp": True, "shift": False}


def field(*shape, seed=0):
    """Return a field with a smooth amplitude in [0.3, 1] and a phase that wraps."""
    generator = Generator().manual_seed(seed)
    y, x = (torch.linspace(0, 1, side) for side in shape)
    slope_y, slope_x, offset = (torch.rand(3, 2, 6, 1, 1, generator=generator) * 25).unbind()
    amplitude, phase = torch.cos(slope_y * y[:, None] + slope_x * x + offset).mean(dim=1)
    return torch.polar(0.65 + 0.35 * amplitude, 4 * phase)


def ramped(obj, cycles):
    """Multiply an object by a phase ramp with the given number of turns across the field, (y, x)."""
    slope = 2 * math.pi * torch.tensor(cycles, dtype=torch.float64) / torch.tensor(obj.shape)
    return (obj * plane_wave(slope, obj.shape)).to(obj.dtype)


def noisy(obj, sigma=0.1):
    return obj + sigma * torch.randn(obj.shape, generator=Generator().manual_seed(9), dtype=obj.dtype)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cycles", [(0.0, 0.0), (0.3, -0.45), (-3.27, 7.61), (20.5, -25.25), (23.9, 30.4)])
def test_phase_scale_and_fractional_ramp_are_removed(seed, cycles):
    truth = field(*SHAPE, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    phase, scale = 6.28 * torch.rand((), generator=generator), 0.2 + 3 * torch.rand((), generator=generator)
    obj = ramped(truth, cycles) * torch.polar(scale, phase)
    aligned = align_object(obj, truth, **ALL_BUT_SHIFT)
    assert aligned.dtype == torch.complex64
    torch.testing.assert_close(aligned, truth, atol=1e-3, rtol=0)


@pytest.mark.parametrize("amplitude_scale", [False, True])
@pytest.mark.parametrize("ramp", [False, True])
@pytest.mark.parametrize("shift", [False, True])
def test_the_truth_itself_is_not_changed(amplitude_scale, ramp, shift):
    truth = field(*SHAPE)
    torch.testing.assert_close(
        align_object(truth, truth, amplitude_scale=amplitude_scale, ramp=ramp, shift=shift), truth
    )


def test_only_the_requested_ambiguities_are_removed():
    truth = field(*SHAPE)
    bright, tilted = 2 * truth, ramped(truth, (2.3, 0.0))
    torch.testing.assert_close(align_object(-bright, truth, amplitude_scale=False, ramp=True, shift=False), bright)
    kept = align_object(1j * tilted, truth, amplitude_scale=True, ramp=False, shift=False)
    torch.testing.assert_close((kept / tilted).angle(), (kept / tilted).angle().mean().expand(SHAPE), atol=1e-5, rtol=0)
    assert (kept - truth).abs().max() > 0.5


def test_the_mask_determines_the_alignment_and_every_pixel_is_changed():
    truth = field(*SHAPE)
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    mask[5:31, 12:50] = True
    changed = ramped(truth, (-1.4, 2.2)).where(mask, 30 * noisy(truth, 3.0)) * torch.polar(
        torch.tensor(0.5), torch.tensor(2.0)
    )
    aligned = align_object(changed, truth, mask=mask, **ALL_BUT_SHIFT)
    torch.testing.assert_close(aligned[mask], truth[mask], atol=1e-3, rtol=0)
    assert (aligned != changed).all()


@pytest.mark.parametrize("shift_px", [(0.0, 0.0), (0.31, -0.57), (-2.4, 3.6)])
@pytest.mark.parametrize("cycles", [(0.0, 0.0), (2.3, -0.4)])
def test_a_shift_is_removed_together_with_the_ramp(shift_px, cycles):
    whole = field(120, 140)
    spectrum = torch.fft.fft2(whole) * torch.exp(
        -2j * math.pi * (torch.fft.fftfreq(120)[:, None] * shift_px[0] + torch.fft.fftfreq(140) * shift_px[1])
    )
    inside = (slice(20, 100), slice(20, 120))  # far from the borders, where the shifted field wraps around
    truth, shifted = whole[inside], torch.fft.ifft2(spectrum)[inside]
    obj = ramped(shifted, cycles) * torch.polar(torch.tensor(0.6), torch.tensor(1.0))
    aligned = align_object(obj, truth, amplitude_scale=True, ramp=True, shift=True)
    middle = (slice(8, -8), slice(8, -8))
    torch.testing.assert_close(aligned[middle], truth[middle], atol=0.03, rtol=0)
    not_shifted = align_object(obj, truth, **ALL_BUT_SHIFT)
    assert (not_shifted - truth)[middle].abs().max() > 0.05 or not any(shift_px)


def test_only_the_noise_remains_after_alignment():
    truth = field(96, 96)
    obj = noisy(ramped(truth, (4.37, -2.71)) * torch.polar(torch.tensor(0.7), torch.tensor(-1.0)), sigma=0.2)
    error = align_object(obj, truth, **ALL_BUT_SHIFT) - truth
    assert error.abs().square().mean().sqrt() == pytest.approx(0.2 / 0.7, rel=0.1)
    slope = phase_ramp((obj * truth.conj()).to(torch.complex128)) * 96 / (2 * math.pi)
    torch.testing.assert_close(slope, torch.tensor([4.37, -2.71], dtype=torch.float64), atol=0.01, rtol=0)


def test_the_alignment_minimises_the_squared_error():
    truth = field(*SHAPE)
    obj = noisy(ramped(1.3j * truth, (0.7, 1.2)))
    aligned = align_object(obj, truth, **ALL_BUT_SHIFT)
    best = (aligned - truth).abs().square().sum()
    changes = [plane_wave(torch.tensor(slope), SHAPE) for slope in ((0.002, 0.0), (0.0, -0.002), (-0.001, 0.001))]
    changes += [torch.tensor(1.01), torch.tensor(0.99), torch.polar(torch.tensor(1.0), torch.tensor(0.01))]
    assert all((aligned * change - truth).abs().square().sum() > best for change in changes)


@pytest.mark.parametrize(
    ("obj", "mask", "message"),
    [
        (torch.ones(4, 5), None, r"obj is \(4, 5\), truth \(4, 4\); pass two fields of the same shape"),
        (torch.ones(4, 4), torch.zeros(4, 4, dtype=torch.bool), r"mask of \(4, 4\) px has no True pixel"),
        (torch.zeros(4, 4), None, "have overlap 0 on the scored pixels"),
    ],
)
def test_fields_that_cannot_be_aligned_are_rejected(obj, mask, message):
    with pytest.raises(ValueError, match=message):
        align_object(obj.to(torch.complex64), torch.ones(4, 4, dtype=torch.complex64), mask=mask, **ALL_BUT_SHIFT)
