"""Every network of conf/model: sizes, gradients, and one step with every loss and phase representation of conf/."""

import re
from importlib.resources import files
from pathlib import Path

import hydra
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ptycho_bench.cli.build import build, build_model, build_network, plain
from ptycho_bench.data.scaling import Scaling
from ptycho_bench.data.simulate import simulate_scan
from ptycho_bench.physics.noise import NoNoise
from ptycho_bench.physics.objects import ltem_chart
from ptycho_bench.physics.probe import defocused_aperture

CONF = Path(str(files("ptycho_bench.conf")))
# parameters, batch-norm statistics, GFLOPs (2 x MAC) of one 32 px pattern: measured on public code where there is some,
# else counted from the text; circular with two gains and the raw pattern, and a circular phase
PUBLISHED = {
    "ptychonn": (1_247_074, 0, 0.201),
    "ptynet": (324_452, 0, 0.0280),
    "dpi": (14_965_102, 13_318, 1.046),
    "ppn": (1_589_350, 896, 0.362),
    "ppn_released": (1_602_828, 896, 0.3445),
    "ptychoformer": (18_070_400, 768, 0.739),
    "circular": (2_117_187, 0, 0.232),
    "w1": (3_120_350, 2_048, 0.211),
    "w2": (6_957_260, 3_072, 0.471),
    "w3": (103_054, 1_024, 0.0116),
    "segformer": (3_596_962, 512, 0.409),
    "transunet": (6_080_674, 2_816, 0.613),
}


# ppn_released carries its polar map in a doubled head width: 2 layers x 2 x 1,024^2 x 32 more than the public code
EXTRA_GFLOPS = {"ppn_released": 2 * 2 * 1024**2 * 32 / 1e9}


def nodes(group: str) -> dict[str, dict]:
    """Every option of a group, as composed."""
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        names = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
        return {name: plain(hydra.compose("config", [f"{group}={name}"])[group]) for name in names}


MODELS, LOSSES, PHASES, INPUTS = nodes("model"), nodes("loss"), nodes("phase"), nodes("input")
MAY_REFUSE = {("ppn_released", 16), ("ppn_released", 64)}


def described(model: str, phase: str = "scaled", size_px: int = 32) -> dict:
    return {"model": MODELS[model], "phase": PHASES[phase], "input": INPUTS["log1p"], "size_px": size_px}


@pytest.fixture(scope="module")
def scan_32px():
    return simulate_scan(
        name="chart",
        obj=ltem_chart(
            size_px=64, pixel_size_m=4e-9, thickness_m=15e-9, inner_potential_v=26.0, induction_t=1.0, voltage_v=3e5,
            film_amplitude=0.5, scaling="published",
        ),
        probe=defocused_aperture(size_px=32, aperture_radius=0.5, stop_radius=0.3, defocus_waves=1.0),
        photons=6e4, overlap_ratio=0.0, step_px=None, jitter_px=0, noise=NoNoise(), seed=0, pixel_size_m=None,
    )  # fmt: skip


@pytest.mark.parametrize("model", sorted(PUBLISHED))
def test_a_network_has_its_published_size_and_work(model):
    channels = (
        {"in_channels": 3, "phase_channels": 2} if model == "circular" else {"in_channels": 1, "phase_channels": 1}
    )
    with torch.device("meta"):
        network = build(MODELS[model], size_px=32, **channels).eval()
        pattern = torch.zeros(1, channels["in_channels"], 32, 32)
    parameters, statistics, gflops = PUBLISHED[model]
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert sum(b.numel() for name, b in network.named_buffers() if "running" in name) == statistics
    with FlopCounterMode(display=False) as counter:
        network(pattern)
    work = counter.get_total_flops() / 1e9 - EXTRA_GFLOPS.get(model, 0.0)
    assert work == pytest.approx(gflops, rel=0.005)


def test_mebibytes_are_those_the_papers_print():
    for model, mebibytes in {"dpi": 57.14, "ppn_released": 6.118, "ptynet": 1.238, "ptychoformer": 68.93}.items():
        parameters, statistics, _ = PUBLISHED[model]
        assert (parameters + (statistics if model != "ptychoformer" else 0)) * 4 / 2**20 == pytest.approx(
            mebibytes, abs=0.005
        )


def test_w3_has_the_published_share_of_ptychonn():
    assert 100 * PUBLISHED["w3"][0] / PUBLISHED["ptychonn"][0] == pytest.approx(8.26, abs=0.01)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("size_px", [32, 64])
def test_a_network_keeps_the_size_of_its_patterns(model, size_px):
    if (model, size_px) in MAY_REFUSE:
        with pytest.raises(ValueError, match=f"takes patterns of 32 px .* got {size_px} px"):
            build_model(described(model, "circular", size_px))
        return
    network = build_model(described(model, "circular", size_px)).eval()
    with torch.inference_mode():
        amplitude, phase = network(torch.rand(1, 1, size_px, size_px))
    assert amplitude.shape == (1, 1, size_px, size_px)
    assert phase.shape == (1, 2, size_px, size_px)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("phase", PHASES)
def test_a_step_reaches_every_parameter_and_lowers_the_loss(scan_32px, model, loss, phase):
    torch.manual_seed(0)
    description = described(model, phase)
    points = list(range(len(scan_32px)))
    scaling = Scaling.of(scan_32px, points)
    network = build_network({**description, "scaling": vars(scaling)}, build_model(description))
    loss_fn = build(LOSSES[loss], phase_range=hydra.utils.get_class(PHASES[phase]["_target_"]).data_range)
    intensity, amplitude, phase_rad = scan_32px.tensors(points)
    target, network_input = network.target(amplitude, phase_rad), network.input_transform(intensity)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-5)  # small enough for every network
    losses = []
    for _ in range(2):
        torch.manual_seed(1)  # the same dropout in every step
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
        assert re.search(r"(side divides by \d+|patterns of 32 px .*), got 30 px", str(error))
    else:
        assert network(torch.rand(1, 1, 30, 30))[0].shape[-1] == 30


def test_the_released_polar_branch_is_blind_and_its_local_branch_is_not():
    torch.manual_seed(0)
    network = build_model(described("ppn_released"))
    tiled = torch.log1p(1e3 * torch.rand(4, 1, 32, 32) ** 4).expand(-1, 3, -1, -1)
    for block in network.polar:  # weights that are not the first ones: a bias alone must not wake it
        for parameter in block.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    polar, local = network.polar_features(tiled), network.local_features(tiled)
    assert polar.std() > 1e-3
    assert polar.std(dim=0).max() < 1e-4 * polar.std()
    assert local.std(dim=0).mean() > 1e-1 * local.std()


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
