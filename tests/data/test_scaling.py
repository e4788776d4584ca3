"""Ranges of the training part."""

import numpy as np
import torch

from ptycho_bench.data.scaling import Scaling

ARRAYS = {
    "diffraction": np.array([[[0.0, 900.0]]]),
    "amplitude": np.array([[[0.5, 0.9]]], np.float32),
    "phase": np.array([[[-2.0, 1.0]]], np.float32),
}


def test_the_training_range_becomes_zero_to_one():
    scaling = Scaling.of(**ARRAYS)
    torch.testing.assert_close(scaling.scale_amplitude(torch.tensor([0.5, 0.7, 0.9])), torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(scaling.scale_phase(torch.tensor([-2.0, -0.5, 1.0])), torch.tensor([0.0, 0.5, 1.0]))
    assert scaling.intensity_max == 900


def test_unscaling_gives_back_also_what_lies_outside_the_range():
    scaling, values = Scaling.of(**ARRAYS), torch.linspace(-4, 4, 9)
    torch.testing.assert_close(scaling.unscale_amplitude(scaling.scale_amplitude(values)), values)
    torch.testing.assert_close(scaling.unscale_phase(scaling.scale_phase(values)), values)


def test_a_constant_object_scales_to_zero_and_back():
    scaling = Scaling.of(**ARRAYS | {"amplitude": np.ones((1, 1, 2)), "phase": np.ones((1, 1, 2))})
    one = torch.ones(3)
    assert torch.equal(scaling.scale_amplitude(one), torch.zeros(3))
    assert torch.equal(scaling.unscale_phase(scaling.scale_phase(one)), one)
