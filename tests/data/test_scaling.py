"""Ranges of the training part."""

from types import SimpleNamespace

import numpy as np
import torch

from ptycho_bench.data.scaling import Scaling


def scan(amplitude=(0.5, 0.9), phase=(-2.0, 1.0)):
    """Only what ranges are taken from; the second point is not a training point."""
    arrays = {"diffraction": [[[0.0, 900.0]], [[5e3, 5e3]]], "amplitude": [[amplitude], [(9, 9)]]}
    arrays["phase"] = [[phase], [(9, 9)]]
    return SimpleNamespace(**{name: np.array(values, np.float32) for name, values in arrays.items()})


def test_the_training_range_becomes_zero_to_one():
    scaling = Scaling.of(scan(), [0])
    torch.testing.assert_close(scaling.scale_amplitude(torch.tensor([0.5, 0.7, 0.9])), torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(scaling.scale_phase(torch.tensor([-2.0, -0.5, 1.0])), torch.tensor([0.0, 0.5, 1.0]))
    assert scaling.intensity_max == 900
    assert scaling.intensity_p995 == np.quantile([0.0, 900.0], 0.995)


def test_unscaling_gives_back_also_what_lies_outside_the_range():
    scaling, values = Scaling.of(scan(), [0]), torch.linspace(-4, 4, 9)
    torch.testing.assert_close(scaling.unscale_amplitude(scaling.scale_amplitude(values)), values)
    torch.testing.assert_close(scaling.unscale_phase(scaling.scale_phase(values)), values)


def test_a_constant_object_scales_to_zero_and_back():
    scaling = Scaling.of(scan(amplitude=(1, 1), phase=(1, 1)), [0])
    one = torch.ones(3)
    assert torch.equal(scaling.scale_amplitude(one), torch.zeros(3))
    assert torch.equal(scaling.unscale_phase(scaling.scale_phase(one)), one)
