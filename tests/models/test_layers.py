"""Layers and behaviour that several networks share: alignment with Keras, initialisation, neighbouring patterns."""

import math

import pytest
import torch
from torch import nn

from ptycho_bench.config.network import build_model, build_network
from ptycho_bench.models.layers import INITIALISATIONS, SameConvTranspose2d, initialise
from ptycho_bench.network.scaling import NEUTRAL
from tests.models.conftest import described


def test_a_transposed_convolution_with_stride_2_is_aligned_as_in_keras():
    layer = SameConvTranspose2d(1, 1, stride=2)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(1.0, 10.0).view(1, 1, 3, 3))
        layer.bias.zero_()
        point = torch.zeros(1, 1, 4, 4)
        point[..., 1, 2] = 1.0
        out = layer(point)[0, 0]
    assert out.shape == (8, 8)
    # with stride 2, Keras' "same" puts the first tap of the kernel at twice the index of the input
    assert torch.equal(out[2:5, 4:7], torch.arange(1.0, 10.0).view(3, 3))


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_an_initialisation_sets_the_spread_of_the_weights_and_clears_the_biases(name):
    torch.manual_seed(0)
    layer = nn.Linear(400, 200)
    initialise(layer, name)
    variance = 2 / 400 if name == "kaiming" else 2 / (400 + 200)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(variance), rel=0.02)
    assert not layer.bias.any()


def test_the_framework_initialisation_changes_nothing():
    layer = nn.Linear(4, 3)
    before = layer.weight.clone()
    initialise(layer, "framework")
    assert torch.equal(layer.weight, before)


def test_an_unknown_initialisation_is_rejected():
    description = described("ptychonn")
    description["model"]["initialisation"] = "he"
    with pytest.raises(ValueError, match=r"initialisation must be framework, glorot, .*, got 'he'"):
        build_model(description)


def test_neighbouring_patterns_change_the_prediction_and_may_be_missing():
    torch.manual_seed(0)
    description = described("ptychoformer", size_px=16, small=True)
    description["input"] = {**description["input"], "neighbours": 1}
    network = build_network({**description, "scaling": vars(NEUTRAL)}, build_model(description))
    counts = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    alone = torch.tensor([[-1] * 4 + [1] + [-1] * 4])
    with_neighbour = torch.cat((alone[:, :8], torch.tensor([[2]])), dim=1)
    first, _ = network.predict(counts, batch_size=2, neighbours=alone)
    second, _ = network.predict(counts, batch_size=2, neighbours=with_neighbour)
    assert (first - second).abs().max() > 1e-4
    with pytest.raises(ValueError, match="this network sees 9 patterns per patch, got 1"):
        network.predict(counts, batch_size=2)
