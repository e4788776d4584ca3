"""Shipped networks, small versions of them, scans to train on, and one training step."""

import pytest
import torch
from torch import Tensor, nn

from ptycho_bench.config.build import build
from ptycho_bench.config.network import build_loss, build_model, build_network
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.simulate import simulate_scan
from ptycho_bench.losses.base import Loss
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import Target
from ptycho_bench.network.scaling import NEUTRAL, Scaling
from ptycho_bench.physics.noise import NoNoise
from ptycho_bench.physics.probe import defocused_aperture
from tests.conftest import option, options

MODELS = options("model")
ONLY_32_PX = ("ppn_released",)
# small widths and depths for each class of conf/model; a class without an entry is tested as shipped
SMALL = {
    "CircularNet": {"widths": [4, 4, 8], "decoder_widths": [8, 4, 4]},
    "DPI": {"widths": [4, 4, 8]},
    "PPN": {"width": 8, "layers": 1, "local_channels": 16, "decoder_widths": [8, 8, 8]},
    "PPNReleased": {"decoder_widths": [8, 8, 8]},
    "PtychoFormer": {"widths": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "heads": [1, 2, 2, 2], "fused_width": 8},
    "PtychoNN": {"width": 4, "depth": 2, "narrowest": 4},
    "SegFormer": {"widths": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "heads": [1, 2, 2, 2], "fused_width": 8},
    "TransUNet": {"width": 4, "token_width": 8, "heads": 2, "hidden": 16, "layers": 1, "head_width": 8,
                  "decoder_widths": [8, 8, 8]},
    "WNet": {"widths": [4, 4, 8, 8], "blocks": [1, 1, 1, 1], "decoder_widths": [8, 8, 8, 8]},
}  # fmt: skip


def class_of(model: str) -> str:
    """Return the name of the class that a file of conf/model names."""
    return option("model", model)["_target_"].rpartition(".")[2]


def suitable_options(model: str) -> dict[str, str]:
    """Return an input, an amplitude and a phase representation that fit a model."""
    inputs = {"circular_single_gain": "single_gain", "circular_three_gain": "three_gain"}
    circular = model.startswith("circular")
    return {
        "input": inputs.get(model, "dual_gain" if circular else "log1p"),
        "amplitude": "scaled",
        "phase": "circular" if circular else "scaled",
    }


def described(model: str, *, size_px: int = 32, small: bool = False, **chosen: str) -> dict:
    """Return the description of a network.

    Args:
        model: file of conf/model.
        size_px: side of a pattern.
        small: whether widths and depths are replaced by those of `SMALL`.
        chosen: files of conf/input, conf/amplitude and conf/phase that replace the suitable ones.
    """
    parts = {group: option(group, name) for group, name in {**suitable_options(model), **chosen}.items()}
    changes = SMALL.get(class_of(model), {}) if small else {}
    return {"model": {**option("model", model), **changes}, **parts, "size_px": size_px}


def on_meta(description: dict) -> tuple[nn.Module, Tensor]:
    """Build a model and one pattern for it on the meta device."""
    channels = build(description["input"], scaling=NEUTRAL).in_channels
    with torch.device("meta"):
        return build_model(description).eval(), torch.zeros(1, channels, *2 * [description["size_px"]])


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def random_patterns(*shape: int) -> Tensor:
    """Return logarithms of counts that span several orders of magnitude."""
    return torch.log1p(1e3 * torch.rand(shape, generator=torch.Generator().manual_seed(0)) ** 4)


@pytest.fixture(scope="session")
def four_point_scans(tiny_object) -> dict[int, PtychoScan]:
    """Scans of four patches side by side, by their size in pixels."""
    return {size_px: simulated(tiny_object, size_px) for size_px in (16, 32, 64)}


def simulated(obj: Tensor, size_px: int) -> PtychoScan:
    return simulate_scan(
        name="chart", obj=obj.repeat(2, 2)[: 2 * size_px, : 2 * size_px],
        probe=defocused_aperture(size_px=size_px, aperture_radius=0.5, stop_radius=0.3, defocus_waves=1.0),
        photons=6e4, overlap_ratio=0.0, step_px=None, jitter_px=0, noise=NoNoise(), seed=0, pixel_size_m=None,
        held_out=False,
    )  # fmt: skip


def total_of(network: PtychoNetwork, network_input: Tensor, target: Target, loss: Loss) -> Tensor:
    """Return the loss of a batch, with the same dropout in every call."""
    torch.manual_seed(1)
    return loss(network.predictions(network_input), target)["total"]


def train_one_step(scan: PtychoScan, description: dict, losses: list[str], **changes: object) -> None:
    """Take one step with each loss; check that it reaches every parameter and lowers the loss.

    Args:
        scan: of `four_point_scans`.
        description: see `described`.
        losses: files of conf/loss.
        changes: values of these losses that replace those of the files.
    """
    torch.manual_seed(0)
    points = [0, 3]
    network = build_network({**description, "scaling": vars(Scaling.of(scan, points))}, build_model(description))
    intensity, amplitude, phase_rad = scan.tensors(points)
    target = network.target(amplitude, phase_rad, intensity)
    network_input = network.input_transform(intensity)
    for name in losses:
        loss = build_loss({**option("loss", name), **changes}, description["amplitude"], description["phase"])
        loss.attach(scan.measurement())
        before = total_of(network, network_input, target, loss)
        before.backward()
        for parameter_name, parameter in network.named_parameters():
            assert parameter.grad is not None, (name, parameter_name)
            assert parameter.grad.isfinite().all(), (name, parameter_name)
        steepness = sum(parameter.grad.double().square().sum() for parameter in network.parameters())
        rate = 1e-4 * before.item() / steepness.item()  # lowers the loss by this fraction, to first order
        torch.optim.SGD(network.parameters(), lr=rate).step()
        network.zero_grad()
        with torch.no_grad():
            assert total_of(network, network_input, target, loss) < before, name
