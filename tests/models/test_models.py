"""Every network of conf/model: sizes, gradients, and one step with every loss and phase representation of conf/."""

import re

import pytest
import torch

from ptycho_bench.config.build import build, build_loss, build_model, build_network
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.simulate import simulate_scan
from ptycho_bench.losses.base import Loss
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import Target
from ptycho_bench.network.scaling import NEUTRAL, Scaling
from ptycho_bench.physics.noise import NoNoise
from ptycho_bench.physics.probe import defocused_aperture
from ptycho_bench.runs.profile import gflops as gflops_of
from tests.conftest import composed, options

# parameters, batch-norm statistics, GFLOPs (2 x MAC) of one pattern of 32 and of 64 px, with the network's own input:
# measured on public code where there is some, else counted from the text; None: not stated
PUBLISHED = {
    "ptychonn": (1_247_074, 0, 0.201, 0.804),
    "ptychonn_keras": (1_154_210, 0, 0.153, 0.611),
    "ptynet": (324_452, 0, 0.0280, 0.112),
    "dpi": (14_965_102, 13_318, 1.046, 4.183),
    "ppn": (1_589_350, 896, 0.362, None),
    "ppn_released": (1_602_828, 896, 0.3445, None),
    "ptychoformer": (18_070_400, 768, 0.739, 2.978),
    "circular": (2_117_187, 0, 0.232, 0.929),
    "w1": (3_120_350, 2_048, 0.211, 0.844),
    "w2": (6_957_260, 3_072, 0.471, 1.882),
    "w3": (103_054, 1_024, 0.0116, 0.0463),
    "segformer": (3_596_962, 512, 0.409, 1.640),
    "transunet": (6_080_674, 2_816, 0.613, 2.465),
}
LARGER_AT_64_PX = {"transunet": 6_092_962}  # its position embedding grows
# ppn_released carries its polar map in a doubled head width: 2 layers x 2 x 1,024^2 x 32 more than the public code
EXTRA_GFLOPS = {"ppn_released": 2 * 2 * 1024**2 * 32 / 1e9}


MODELS, LOSSES, PHASES = options("model"), options("loss"), options("phase")
ONE_SIZE = ("ppn_released",)
SENSE = [
    (loss, phase)
    for loss in LOSSES
    for phase in PHASES
    if loss != "geodesic" or build(composed(f"phase={phase}")["phase"], scaling=NEUTRAL).circular
]


def described(model: str, phase: str | None = None, size_px: int = 32, **changes: dict) -> dict:
    """What builds a network: the model with its own input and representations, but for what is named."""
    cfg = composed(f"model={model}")
    own = {part: cfg[part] for part in ("model", "input", "amplitude", "phase")}
    if phase:
        own["phase"] = composed(f"phase={phase}")["phase"]
    return {**own, "size_px": size_px, **changes}


def simulated(size_px: int) -> PtychoScan:
    """Four points side by side."""
    return simulate_scan(
        name="chart",
        obj=build({**composed("data=ltem")["data"]["obj"], "size_px": 2 * size_px}),
        probe=defocused_aperture(size_px=size_px, aperture_radius=0.5, stop_radius=0.3, defocus_waves=1.0),
        photons=6e4, overlap_ratio=0.0, step_px=None, jitter_px=0, noise=NoNoise(), seed=0, pixel_size_m=None,
        held_out=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scans():
    return {size_px: simulated(size_px) for size_px in (32, 64)}


def on_meta(description: dict) -> tuple[torch.nn.Module, torch.Tensor]:
    """A model and one pattern for it, without values."""
    channels = build(description["input"], scaling=NEUTRAL).in_channels
    with torch.device("meta"):
        return build_model(description).eval(), torch.zeros(1, channels, *2 * [description["size_px"]])


def gflops(network: torch.nn.Module, pattern: torch.Tensor) -> float:
    return gflops_of(network, pattern.shape[1], pattern.shape[-1])


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("model", sorted(PUBLISHED))
def test_a_network_has_its_published_size_and_work(model):
    network, pattern = on_meta(described(model))
    parameters, statistics, at_32_px, at_64_px = PUBLISHED[model]
    assert count(network) == parameters
    assert sum(b.numel() for name, b in network.named_buffers() if "running" in name) == statistics
    assert gflops(network, pattern) - EXTRA_GFLOPS.get(model, 0.0) == pytest.approx(at_32_px, rel=0.005)
    if at_64_px:
        network, pattern = on_meta(described(model, size_px=64))
        assert count(network) == LARGER_AT_64_PX.get(model, parameters)
        assert gflops(network, pattern) == pytest.approx(at_64_px, rel=0.005)


def test_ptychoformer_has_its_published_size_with_a_neighbourhood_of_nine():
    own = described("ptychoformer")
    network, pattern = on_meta({**own, "input": {**own["input"], "neighbours": 1}})
    assert pattern.shape[1] == 9
    assert count(network) == 18_083_200
    assert gflops(network, pattern) == pytest.approx(0.746, rel=0.005)


def test_the_ablations_leave_out_what_they_say():
    ppn, circular = (count(on_meta(described(model))[0]) for model in ("ppn", "circular"))
    size = {model: count(on_meta(described(model))[0]) for model in MODELS}
    assert size["ppn_mhsa"] == size["ppn_draft"] == ppn - 2 * 2  # no learned centre in either layer
    assert size["ppn_constrained"] == ppn
    assert size["ppn_draft_linear"] == size["ppn_draft"]
    encoder, fusion, skip, decoder = 257_024, 128 * 128, 18_816, 517_185
    assert circular == 2 * encoder + 2 * fusion + skip + 3 * decoder
    assert size["circular_single_gain"] == circular - encoder - fusion
    assert size["circular_three_gain"] == circular + encoder + fusion
    assert size["circular_no_skip"] == circular - skip - 3 * 64 * 64 * 9  # and what its channels cost each decoder
    assert size["circular_deep_fusion"] == circular + 2 * fusion
    assert size["circular_scalar"] == circular - decoder
    assert size["circular_unprojected"] == circular


def test_mebibytes_are_those_the_papers_print():
    printed = {"dpi": 57.14, "ppn_released": 6.118, "ptynet": 1.238, "ptychoformer": 68.93, "ptychonn": 4.757}
    printed |= {"ptychonn_keras": 4.403, "circular": 8.076, "w1": 11.90, "w2": 26.54, "w3": 0.393, "segformer": 13.72}
    printed |= {"transunet": 23.2}
    with_statistics = ("dpi", "ppn_released")  # Keras counts them
    for model, mebibytes in printed.items():
        parameters, statistics, *_ = PUBLISHED[model]
        values = parameters + (statistics if model in with_statistics else 0)
        assert 4 * values / 2**20 == pytest.approx(mebibytes, rel=1e-3), model


def test_w3_has_the_published_share_of_ptychonn():
    assert 100 * PUBLISHED["w3"][0] / PUBLISHED["ptychonn"][0] == pytest.approx(8.26, abs=0.01)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("size_px", [32, 64])
def test_a_network_keeps_the_size_of_its_patterns(model, size_px):
    description = described(model, "circular", size_px)
    if size_px != 32 and model in ONE_SIZE:
        with pytest.raises(ValueError, match=f"takes patterns of 32 px .* got {size_px} px"):
            build_model(description)
        return
    network, pattern = on_meta(description)
    amplitude, phase = network(pattern)
    assert amplitude.shape == (1, 1, size_px, size_px)
    assert phase.shape == (1, 2, size_px, size_px)


def total_of(network: PtychoNetwork, network_input: torch.Tensor, target: Target, loss: Loss) -> torch.Tensor:
    """The loss of a batch, with the same dropout each time."""
    torch.manual_seed(1)
    return loss(network.predictions(network_input), target)["total"]


def train_a_step(scan: PtychoScan, description: dict, losses: list[str]) -> None:
    """One step with each loss, which must reach every parameter and lower that loss."""
    torch.manual_seed(0)
    points = [0, 3]
    scaling = Scaling.of(scan, points)
    network = build_network({**description, "scaling": vars(scaling)}, build_model(description))
    intensity, amplitude, phase_rad = scan.tensors(points)
    target = network.target(amplitude, phase_rad, intensity)
    network_input = network.input_transform(intensity)
    for name in losses:
        loss = build_loss(composed(f"loss={name}")["loss"], description["amplitude"], description["phase"])
        loss.attach(scan.measurement())
        before = total_of(network, network_input, target, loss)
        before.backward()
        for parameter_name, parameter in network.named_parameters():
            assert parameter.grad is not None, (name, parameter_name)
            assert parameter.grad.isfinite().all(), (name, parameter_name)
        steepness = sum(parameter.grad.double().square().sum() for parameter in network.parameters())
        rate = 1e-4 * before.item() / steepness.item()  # to first order the loss falls by that share
        torch.optim.SGD(network.parameters(), lr=rate).step()
        network.zero_grad()
        with torch.no_grad():
            assert total_of(network, network_input, target, loss) < before, name


@pytest.mark.parametrize("model", MODELS)
def test_a_step_with_its_own_choices_reaches_every_parameter_and_lowers_the_loss(scans, model):
    train_a_step(scans[32], described(model), ["mse", "diffraction"])


@pytest.mark.parametrize("phase", PHASES)
def test_a_step_with_every_loss_and_phase_reaches_every_parameter_and_lowers_the_loss(scans, phase):
    losses = [loss for loss, of in SENSE if of == phase]
    train_a_step(scans[32], described("w3", phase), losses)


@pytest.mark.slow
@pytest.mark.parametrize("size_px", [32, 64])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("model", MODELS)
def test_a_step_of_every_network_with_every_loss_and_phase(scans, model, phase, size_px):
    if size_px == 64 and model in ONE_SIZE:
        pytest.skip("takes 32 px alone, which test_a_network_keeps_the_size_of_its_patterns holds it to")
    losses = [loss for loss, of in SENSE if of == phase]
    train_a_step(scans[size_px], described(model, phase, size_px), losses)


@pytest.mark.parametrize("option", options("input"))
def test_networks_take_every_input_and_its_neighbourhood(option):
    for neighbours in (0, 1):
        given = {**composed(f"input={option}")["input"], "neighbours": neighbours}
        network, pattern = on_meta(described("ptychoformer", input=given))
        assert network(pattern)[0].shape == (1, 1, 32, 32)


def test_a_neighbourhood_changes_what_is_predicted_and_gaps_are_allowed():
    torch.manual_seed(0)
    own = described("ptychoformer")
    own["input"] = {**own["input"], "neighbours": 1}
    network = build_network({**own, "scaling": vars(NEUTRAL)}, build_model(own))
    counts = torch.rand(3, 32, 32)
    middle = torch.tensor([[-1] * 4 + [1] + [-1] * 4])
    alone, _ = network.predict(counts, batch_size=2, neighbours=middle)
    beside, _ = network.predict(counts, batch_size=2, neighbours=torch.cat((middle[:, :8], torch.tensor([[2]])), dim=1))
    assert (alone - beside).abs().max() > 1e-4
    with pytest.raises(ValueError, match="this network sees 9 patterns a patch, got 1"):
        network.predict(counts, batch_size=2)


@pytest.mark.parametrize("model", MODELS)
def test_patterns_of_a_size_a_network_cannot_take_are_refused_by_name(model):
    try:
        network, pattern = on_meta(described(model, size_px=30))
    except ValueError as error:
        assert re.search(r"(side divides by \d+|patterns of 32 px .*), got 30 px", str(error))
    else:
        assert network(pattern)[0].shape[-1] == 30


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
        own = described("ptychonn")
        build_model({**own, "model": {**own["model"], "initialisation": "he"}})
