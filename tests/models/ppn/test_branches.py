"""Branches of PPN: both carry signal, except the polar branch of the public code."""

import pytest
import torch

from ptycho_bench.config.network import build_model
from tests.models.conftest import described, random_patterns


def test_the_polar_branch_of_the_public_code_ignores_the_data_and_its_local_branch_does_not():
    torch.manual_seed(0)
    network = build_model(described("ppn_released"))
    tiled = random_patterns(4, 1, 32, 32).expand(-1, 3, -1, -1)
    for block in network.polar:  # other weights than the initial ones, whose biases are 0
        for parameter in block.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    polar, local = network.polar_features(tiled), network.local_features(tiled)
    assert polar.std() > 1e-3
    assert polar.std(dim=0).max() < 1e-4 * polar.std()
    assert local.std(dim=0).mean() > 1e-1 * local.std()


@pytest.mark.parametrize(("positions", "equivariant"), [(False, True), (True, False)])
def test_standard_self_attention_sees_where_a_pixel_is_only_with_a_position_embedding(positions, equivariant):
    torch.manual_seed(0)
    description = described("ppn_mhsa", size_px=16, small=True)
    network = build_model({**description, "model": {**description["model"], "positions": positions}})
    patterns = random_patterns(2, 1, 16, 16)
    order = torch.randperm(16 * 16, generator=torch.Generator().manual_seed(1))
    shuffled = patterns.flatten(2)[..., order].view_as(patterns)
    expected = network.polar(patterns).flatten(2)[..., order]
    assert torch.allclose(network.polar(shuffled).flatten(2), expected, atol=1e-5) is equivariant


@pytest.mark.parametrize("branch", ["local", "polar"])
def test_both_branches_of_ppn_carry_signal(branch):
    torch.manual_seed(0)
    network = build_model(described("ppn"))
    patterns = random_patterns(4, 1, 32, 32)
    features = getattr(network, branch)(patterns)
    assert (features.std(dim=0).mean() / features.std()).item() > 1e-2
    amplitude, _ = network(patterns)
    parameters = list(getattr(network, branch).embed.parameters())
    gradients = torch.autograd.grad(amplitude[:, :, 10:20].square().sum(), parameters)
    assert all(gradient.abs().max() > 1e-6 for gradient in gradients)
