"""Options that change how fast a network is trained but not what it learns."""

import functools
import shutil

import pytest
import torch
from torch import nn

from ptycho_bench.models.ppn.poca import FORMS, PoCA
from ptycho_bench.training.compute_options import ComputeOptions

PLAIN = {"channels_last": False, "fused": False, "compile": None, "attention": "auto"}


def trained(options: ComputeOptions) -> dict[str, torch.Tensor]:
    """Weights of a small network after three steps."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 1, 3))
    network = options.apply(network, network)
    optimizer = options.optimizer_factory(functools.partial(torch.optim.Adam, lr=1e-2))(network.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.ones(2, 1, 8, 8)).square().sum().backward()
        optimizer.step()
    return network.state_dict()


@pytest.mark.parametrize(
    "option",
    [
        {"channels_last": True},
        {"fused": True},
        pytest.param(
            {"compile": "default"},
            marks=[pytest.mark.slow, pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")],
        ),
    ],
)
def test_an_option_changes_weights_by_no_more_than_rounding_and_keeps_their_names(option):
    expected, got = trained(ComputeOptions(**PLAIN)), trained(ComputeOptions(**PLAIN | option))
    assert got.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(got[name], weight, rtol=1e-4, atol=1e-6)


def test_polar_attention_takes_the_requested_form():
    network = nn.Sequential(PoCA(width=8, heads=2, height=4, width_px=4))
    ComputeOptions(**PLAIN | {"attention": "reference"}).apply(network, network)
    assert network[0].attend is FORMS["reference"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"compile": "fast"}, "trainer.compile must be null, default, reduce-overhead, max-autotune, got 'fast'"),
        ({"attention": "flash"}, "trainer.attention must be one of auto, reference, tiled, flex, got 'flash'"),
    ],
)
def test_an_unknown_choice_is_refused(option, message):
    with pytest.raises(ValueError, match=message):
        ComputeOptions(**PLAIN | option)


def test_a_fused_optimiser_that_would_not_clip_is_refused():
    fused = ComputeOptions(**PLAIN | {"fused": True})
    fused.check_clipping(1.0, "32-true")
    fused.check_clipping(None, "bf16-mixed")
    with pytest.raises(ValueError, match=r"cannot clip .*recipe\.clip_norm is 1; set trainer\.fused=false"):
        fused.check_clipping(1.0, "bf16-mixed")


def test_an_optimiser_without_a_fused_kernel_is_refused():
    with pytest.raises(ValueError, match=r"trainer\.fused is set, but LBFGS has no fused kernel; set"):
        ComputeOptions(**PLAIN | {"fused": True}).optimizer_factory(functools.partial(torch.optim.LBFGS, lr=1.0))
