"""Input transforms: counts to what a network sees."""

from pathlib import Path

import hydra
import pytest
import torch
from omegaconf import OmegaConf

from ptycho_bench.data.inputs import Log1pInput, SqrtInput
from ptycho_bench.data.scaling import Scaling

FILES = sorted((Path(__file__).parents[2] / "conf" / "input").glob("*.yaml"))
SCALING = Scaling(amplitude_low=0.0, amplitude_high=1.0, phase_low=-1.0, phase_high=1.0, intensity_max=400.0)


def test_log1p_is_the_logarithm_of_counts_plus_one():
    seen = Log1pInput(scaling=SCALING)(torch.tensor([[[0.0, 1.0, torch.e - 1]]]))
    torch.testing.assert_close(seen, torch.tensor([[[[0.0, 0.69314718, 1.0]]]]))


def test_sqrt_ends_at_one_for_the_training_maximum():
    seen = SqrtInput(scaling=SCALING)(torch.tensor([[[0.0, 100.0, 400.0, 1600.0]]]))
    torch.testing.assert_close(seen, torch.tensor([[[[0.0, 0.5, 1.0, 2.0]]]]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_input_is_finite_and_has_its_channels(path):
    transform = hydra.utils.instantiate(OmegaConf.load(path), _partial_=True)(scaling=SCALING)
    counts = torch.rand(3, 8, 8) * 400
    counts[0] = 0
    seen = transform(counts)
    assert seen.shape == (3, transform.channels, 8, 8)
    assert seen.isfinite().all()
