"""Every network of conf/model: sizes, gradients, and one step with every loss and phase representation of conf/."""

import re
from importlib.resources import files
from pathlib import Path

import hydra
import pytest
import torch
import yaml

from ptycho_bench.cli.build import build, build_model, build_network
from ptycho_bench.data.scaling import Scaling
from ptycho_bench.data.simulate import simulate_scan
from ptycho_bench.physics.noise import NoNoise
from ptycho_bench.physics.objects import ltem_chart
from ptycho_bench.physics.probe import defocused_aperture

CONF = Path(str(files("ptycho_bench.conf")))
PARAMETERS = {"ppn": 1_589_350, "ptychonn": 1_247_074}  # measured on the public code; ppn: counted from the equations


def nodes(group: str) -> dict[str, dict]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONF / group).glob("*.yaml"))}


MODELS, LOSSES, PHASES = nodes("model"), nodes("loss"), nodes("phase")


def described(model: str, phase: str = "scaled", size_px: int = 32) -> dict:
    return {"model": MODELS[model], "phase": PHASES[phase], "input": nodes("input")["log1p"], "size_px": size_px}


@pytest.fixture(scope="module")
def scan_16px():
    return simulate_scan(
        name="chart",
        obj=ltem_chart(
            size_px=64, pixel_size_m=4e-9, thickness_m=15e-9, inner_potential_v=26.0, induction_t=1.0, voltage_v=3e5,
            film_amplitude=0.5, scaling="published",
        ),
        probe=defocused_aperture(size_px=16, aperture_radius=0.5, stop_radius=0.3, defocus_waves=1.0),
        photons=6e4, overlap_ratio=0.0, step_px=None, jitter_px=0, noise=NoNoise(), seed=0, pixel_size_m=None,
    )  # fmt: skip


@pytest.mark.parametrize("model", sorted(PARAMETERS))
def test_a_network_has_its_published_size(model):
    with torch.device("meta"):
        network = build_model(described(model))
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[model]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("size_px", [32, 64])
def test_a_network_keeps_the_size_of_its_patterns(model, size_px):
    network = build_model(described(model, "circular", size_px)).eval()
    with torch.inference_mode():
        amplitude, phase = network(torch.rand(1, 1, size_px, size_px))
    assert amplitude.shape == (1, 1, size_px, size_px)
    assert phase.shape == (1, 2, size_px, size_px)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("phase", PHASES)
def test_a_step_reaches_every_parameter_and_lowers_the_loss(scan_16px, model, loss, phase):
    torch.manual_seed(0)
    description = described(model, phase, 16)
    points = list(range(len(scan_16px)))
    scaling = Scaling.of(scan_16px, points)
    network = build_network({**description, "scaling": vars(scaling)}, build_model(description))
    loss_fn = build(LOSSES[loss], phase_range=hydra.utils.get_class(PHASES[phase]["_target_"]).data_range)
    intensity, amplitude, phase_rad = scan_16px.tensors(points)
    target, network_input = network.target(amplitude, phase_rad), network.input_transform(intensity)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        total = loss_fn(network.heads(network_input), target)["total"]
        total.backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
        optimizer.step()
        losses.append(total.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("model", MODELS)
def test_patterns_of_a_size_a_network_cannot_take_are_refused_by_name(model):
    try:
        network = build_model(described(model, size_px=30)).eval()
    except ValueError as error:
        assert re.search(r"side divides by \d+, got 30 px", str(error))
    else:
        assert network(torch.rand(1, 1, 30, 30))[0].shape[-1] == 30


@pytest.mark.parametrize("branch", ["local", "polar"])
def test_both_branches_of_ppn_carry_signal(branch):
    torch.manual_seed(0)
    network = build_model(described("ppn"))
    patterns = torch.log1p(1e3 * torch.rand(4, 1, 32, 32) ** 4)
    features = getattr(network, branch)(patterns)
    assert (features.std(dim=0).mean() / features.std()).item() > 1e-2
    amplitude, _ = network(patterns)
    parameters = list(getattr(network, branch).embed.parameters())
    gradients = torch.autograd.grad(amplitude[:, :, 10:20].square().sum(), parameters)
    assert all(gradient.abs().max() > 1e-6 for gradient in gradients)


def test_a_doubling_transposed_convolution_is_aligned_as_in_keras():
    from ptycho_bench.models.layers import SameConvTranspose2d

    layer = SameConvTranspose2d(1, 1, stride=2)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(1.0, 10.0).view(1, 1, 3, 3))
        layer.bias.zero_()
        point = torch.zeros(1, 1, 4, 4)
        point[..., 1, 2] = 1.0
        out = layer(point)[0, 0]
    assert out.shape == (8, 8)
    # Keras' "same" with stride 2 puts the kernel's first tap at twice the input's place
    assert torch.equal(out[2:5, 4:7], torch.arange(1.0, 10.0).view(3, 3))


def test_an_unknown_initialisation_is_refused():
    with pytest.raises(ValueError, match="initialisation must be glorot or framework, got 'he'"):
        build_model({**described("ptychonn"), "model": {**MODELS["ptychonn"], "initialisation": "he"}})
