"""Test that an ONNX file computes the same as the network, for every network, input and representation of conf/."""

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ptycho_bench.config.checkpoint import load_network
from ptycho_bench.config.network import build_part
from ptycho_bench.deployment.export import export_network, relative_difference
from ptycho_bench.deployment.metadata import metadata_of
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.scaling import NEUTRAL
from tests.conftest import composed, options
from tests.deployment.conftest import SMALL, counts, described, network_of, run_onnx

REDUCED = {
    "circular": ("preset=cpr", "model.widths=[4,4,8]", "model.skip_widths=[4,4]", "model.decoder_widths=[8,4,4]"),
    "w3": ("model=w3", "model.blocks=[1,1,1,1]", "model.widths=[4,4,8,8]", "model.decoder_widths=[8,8,4,4]"),
    "ppn": ("model=ppn", "model.layers=1", "model.width=8", "model.local_channels=16", "model.decoder_widths=[16,8,8]"),
}


def exported(network: PtychoNetwork, description: dict, path: Path, batch: int | None = None) -> Path:
    """Export a network with the metadata that ptycho-export writes."""
    metadata = metadata_of(description, neighbours=network.neighbours, circular=network.circular, scaling_of=None)
    assert export_network(network, path, size_px=description["size_px"], batch=batch, metadata=metadata) <= 1e-4
    return path


def assert_same(network: PtychoNetwork, path: Path, size_px: int, batches: tuple[int, ...] = (1, 4)) -> None:
    """Check that the file and the network predict the same; circular phases may differ by a whole turn."""
    for batch in batches:
        diffraction = counts(batch, network.input_transform.patterns, size_px)
        with torch.inference_mode():
            amplitude, phase = network(diffraction)
        output = run_onnx(path, diffraction)
        assert output.shape == (batch, 2, size_px, size_px)
        torch.testing.assert_close(output[:, 0], amplitude, rtol=1e-4, atol=1e-4)
        pair = (output[:, 1], phase)
        first, second = (network.phase.encode(values) for values in pair) if network.circular else pair
        assert (first - second).abs().max() < 3e-4


def assert_exports(path: Path, *words: str, size_px: int, model: nn.Module | None = None) -> None:
    """Check that a network, given by the overrides of its configuration, exports and computes the same."""
    description = described(*words, size_px=size_px)
    network = network_of(description, model)
    assert_same(network, exported(network, description, path), size_px)


class TwoConvolutions(nn.Module):
    """Smallest architecture with both outputs."""

    def __init__(self, in_channels: int, phase_channels: int) -> None:
        super().__init__()
        self.amplitude = nn.Conv2d(in_channels, 1, 3, padding=1)
        self.phase = nn.Conv2d(in_channels, phase_channels, 3, padding=1)

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        return self.amplitude(diffraction).sigmoid(), self.phase(diffraction).tanh()


@pytest.mark.parametrize("model", ["circular", "ppn"])
def test_the_file_computes_the_same_as_the_network(tmp_path, model):
    assert_exports(tmp_path / "network.onnx", *REDUCED[model], size_px=16)


def test_a_file_of_a_fixed_batch_computes_the_same_as_the_network(tmp_path):
    description = described(*REDUCED["w3"])
    network = network_of(description)
    assert_same(network, exported(network, description, tmp_path / "network.onnx", batch=3), 16, batches=(3,))


INPUTS, PHASES, AMPLITUDES = options("input"), options("phase"), options("amplitude")
COMBINATIONS = [(name, PHASES[i % len(PHASES)], AMPLITUDES[i % len(AMPLITUDES)]) for i, name in enumerate(INPUTS)]


@pytest.mark.parametrize(("input_", "phase", "amplitude"), COMBINATIONS)
def test_every_input_and_representation_is_part_of_the_graph(tmp_path, input_, phase, amplitude):
    words = (f"input={input_}", f"phase={phase}", f"amplitude={amplitude}")
    description = described(*words)
    in_channels = build_part(description, "input", scaling=NEUTRAL).in_channels
    model = TwoConvolutions(in_channels, build_part(description, "phase", scaling=NEUTRAL).channels)
    assert_exports(tmp_path / "network.onnx", *words, size_px=16, model=model)


INPUT_BY_GAINS = {2: ("input=dual_gain",), 3: ("input=three_gain",)}


@pytest.mark.slow
@pytest.mark.parametrize("model", options("model"))
def test_every_network_exports_at_full_size(tmp_path, model):
    gains = composed(f"model={model}")["model"].get("gains")
    assert_exports(tmp_path / "network.onnx", f"model={model}", *INPUT_BY_GAINS.get(gains, ()), size_px=32)


@pytest.mark.slow
@pytest.mark.parametrize("preset", options("preset"))
def test_every_preset_exports_at_full_size(tmp_path, preset):
    assert_exports(tmp_path / "network.onnx", f"preset={preset}", size_px=32)


@pytest.mark.slow
@pytest.mark.parametrize("model", [m for m in options("model") if not m.startswith(("ppn", "circular"))])
def test_networks_for_any_pattern_size_export_at_64_px(tmp_path, model):
    assert_exports(tmp_path / "network.onnx", f"model={model}", size_px=64)


def test_a_network_from_a_checkpoint_exports_with_a_neighbourhood(saved, tmp_path):
    words = (*SMALL, "input.neighbours=1")
    original = load_network(saved(*words))
    path = exported(original, described(*words), tmp_path / "network.onnx")
    assert_same(original, path, 16)
    network = OnnxNetwork(path, device="cpu")
    assert network.neighbours == 1
    table = torch.tensor([[-1, -1, -1, -1, 0, 1, -1, 2, 3], [0, 1, -1, 2, 3, -1, -1, -1, -1]])
    scan = counts(5, 1, 16)[:4, 0]
    for result, expected in zip(
        network.predict(scan, batch_size=1, neighbours=table),
        original.predict(scan, batch_size=2, neighbours=table),
        strict=True,
    ):
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="sees 9 patterns per patch, got 1"):
        network.predict(scan, batch_size=1)


def test_a_fixed_batch_is_filled_up_and_the_added_results_are_removed(tmp_path):
    description = described()
    original = network_of(description, TwoConvolutions(1, 1))
    network = OnnxNetwork(exported(original, description, tmp_path / "network.onnx", batch=3), device="cpu")
    assert network.batch == 3
    scan = counts(9, 1, 16)[:7, 0]
    for result, expected in zip(network.predict(scan, batch_size=4), original.predict(scan, batch_size=7), strict=True):
        assert len(result) == 7
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


def refused(network, tmp_path, match: str, **options: object) -> None:
    path = tmp_path / "x.onnx"
    with pytest.raises(ValueError, match=match) as caught:
        export_network(network, path, **{"size_px": 16, "batch": 1, "metadata": {}, **options})
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.onnx*"))


@pytest.fixture
def network():
    """A network of one channel in and out, with the default input and representations."""
    return network_of(described(), TwoConvolutions(1, 1))


METADATA = metadata_of(described(), neighbours=0, circular=False, scaling_of=None)


def test_a_file_that_computes_something_else_is_deleted(network, tmp_path, monkeypatch):
    original = OnnxNetwork.run
    monkeypatch.setattr(OnnxNetwork, "run", lambda self, diffraction: original(self, diffraction) + 7.0)
    refused(network, tmp_path, r"differ by \d\.\de[-+]0\d of the output's range, the limit is 1e-04", metadata=METADATA)


def test_a_network_that_predicts_nan_is_refused(network, tmp_path):
    next(network.parameters()).data.fill_(torch.nan)
    refused(network, tmp_path, "differ by nan", metadata=METADATA)


class Branching(nn.Module):
    """An architecture that no graph can represent, because it branches on a value."""

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        bright = diffraction if diffraction.sum().item() > 10 else -diffraction
        return bright, bright


def test_an_architecture_that_onnx_cannot_represent_is_named_in_one_line(network, tmp_path):
    network.model = Branching()
    level = logging.getLogger("torch.onnx").level
    refused(network, tmp_path, "Branching cannot be written as ONNX: .*; use the checkpoint itself")
    assert logging.getLogger("torch.onnx").level == level  # as loud as before


def test_differences_are_relative_to_the_range_but_not_below_float32_precision():
    flat = torch.full((4,), 0.5)
    assert relative_difference(flat, flat + 2.0**-23).item() == pytest.approx(2.0**-23 / 0.01)
    assert relative_difference(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 3.5])) == 0.25
    assert relative_difference(torch.zeros(2), torch.full((2,), 0.1)) == pytest.approx(0.1)
    assert relative_difference(flat, flat * torch.nan).isnan()
