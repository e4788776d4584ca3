"""An ONNX file computes what the network does, for every network, input and representation of conf/."""

import json
import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from ptycho_bench.config.build import load_network
from ptycho_bench.deployment.export import export_network, relative_difference
from ptycho_bench.deployment.metadata import metadata_of
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from tests.conftest import options
from tests.deployment.conftest import SMALL, checkpoint_of, counts, described, run_onnx


def exported(checkpoint: Path, batch: int | None = None) -> Path:
    """The file a checkpoint is exported to; metadata as ptycho-export writes it."""
    description = torch.load(checkpoint)["ptycho_bench"]
    network = load_network(checkpoint)
    path = checkpoint.with_suffix(".onnx")
    metadata = metadata_of(description, neighbours=network.neighbours, circular=network.circular, scaling_of=None)
    assert export_network(network, path, size_px=description["size_px"], batch=batch, metadata=metadata) <= 1e-4
    return path


def assert_same(checkpoint: Path, path: Path, size_px: int, batches: tuple[int, ...] = (1, 4)) -> None:
    """The file and the checkpoint predict alike; a circular phase may be a whole turn apart."""
    network = load_network(checkpoint)
    for batch in batches:
        seen = counts(batch, network.input_transform.patterns, size_px)
        with torch.inference_mode():
            amplitude, phase = network(seen)
        found = run_onnx(path, seen)
        assert found.shape == (batch, 2, size_px, size_px)
        torch.testing.assert_close(found[:, 0], amplitude, rtol=1e-4, atol=1e-4)
        apart = network.phase.encode(found[:, 1]) - network.phase.encode(phase) if network.circular else (
            found[:, 1] - phase
        )  # fmt: skip
        assert apart.abs().max() < 3e-4


PPN = ("model.layers=1", "model.width=8", "model.local_units=64", "model.decoder_widths=[16,8,8]")


@pytest.mark.parametrize(
    "words",
    [SMALL, ("model=circular",), ("model=w3", "model.blocks=[1,1,1,1]"), ("model=ppn", *PPN)],
    ids=lambda words: words[0],
)
def test_the_file_computes_what_the_network_does(saved, words):
    size_px = 16
    checkpoint = saved(*words, size_px=size_px)
    assert_same(checkpoint, exported(checkpoint), size_px)


INPUTS, PHASES, AMPLITUDES = options("input"), options("phase"), options("amplitude")
CHOSEN = [(name, PHASES[i % len(PHASES)], AMPLITUDES[i % len(AMPLITUDES)]) for i, name in enumerate(INPUTS)]


@pytest.mark.parametrize(("input_", "phase", "amplitude"), CHOSEN)
def test_every_input_and_representation_is_inside_the_graph(saved, input_, phase, amplitude):
    checkpoint = saved(*SMALL, f"input={input_}", f"phase={phase}", f"amplitude={amplitude}")
    assert_same(checkpoint, exported(checkpoint), 16)


@pytest.mark.slow
@pytest.mark.parametrize("model", options("model"))
def test_every_network_exports_as_published(saved, model):
    checkpoint = saved(f"model={model}", size_px=32)
    assert_same(checkpoint, exported(checkpoint), 32)


@pytest.mark.slow
@pytest.mark.parametrize("model", [m for m in options("model") if not m.startswith(("ppn", "circular"))])
def test_networks_that_take_any_side_export_at_64_px(saved, model):
    checkpoint = saved(f"model={model}", size_px=64)
    assert_same(checkpoint, exported(checkpoint), 64)


def test_a_neighbourhood_goes_in_whole(saved):
    checkpoint = saved(*SMALL, "input.neighbours=1")
    path = exported(checkpoint)
    assert_same(checkpoint, path, 16)
    network = OnnxNetwork(path, device="cpu")
    assert network.neighbours == 1
    table = torch.tensor([[-1, -1, -1, -1, 0, 1, -1, 2, 3], [0, 1, -1, 2, 3, -1, -1, -1, -1]])
    scan = counts(5, 1, 16)[:4, 0]
    for ours, theirs in zip(
        network.predict(scan, batch_size=1, neighbours=table),
        load_network(checkpoint).predict(scan, batch_size=2, neighbours=table),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="sees 9 patterns a patch, got 1"):
        network.predict(scan, batch_size=1)


def test_a_fixed_batch_is_filled_up_and_its_filling_taken_away(saved):
    checkpoint = saved(*SMALL)
    network = OnnxNetwork(exported(checkpoint, batch=3), device="cpu")
    assert network.batch == 3
    scan = counts(9, 1, 16)[:7, 0]
    for ours, theirs in zip(
        network.predict(scan, batch_size=4), load_network(checkpoint).predict(scan, batch_size=7), strict=True
    ):
        assert len(ours) == 7
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_one_file_holds_everything_and_no_folder_of_this_machine(saved, tmp_path):
    path = exported(saved(*SMALL))
    assert {file.name for file in tmp_path.iterdir()} == {"best.ckpt", "best.onnx"}
    assert str(Path.cwd()).encode() not in path.read_bytes()
    assert b"site-packages" not in path.read_bytes()


def test_the_metadata_say_what_goes_in_and_out(saved):
    import onnxruntime

    path = exported(saved(*SMALL, "phase=circular", "input.neighbours=1"))
    texts = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    assert texts["ptycho_bench.run"] == "small-s0-0123456789"
    assert texts["ptycho_bench.version"]
    seen, given, lies, geometry, description = (
        json.loads(texts[f"ptycho_bench.{name}"])
        for name in ("input", "output", "orientation", "geometry", "description")
    )
    assert (seen["unit"], seen["shape"], seen["zero_frequency"]) == ("photons", [None, 9, 16, 16], [8, 8])
    assert seen["patterns"] == 9 and "row by row" in seen["order"]
    assert (given["channels"], given["units"], given["circular"]) == (["amplitude", "phase"], ["1", "rad"], True)
    assert lies["row"].startswith("y, down") and "exp(+i phase)" in lies["object"]
    assert geometry == {"pixel_size_m": 4e-9, "energy_ev": 8800.0, "distance_m": None, "detector_pixel_m": 7.5e-5}
    assert description["size_px"] == 16
    assert description["scaling"]["phase_high"] == 0.9
    assert description["scaling"]["log1p_mean"] is None  # in the graph, where it is used


def test_a_checkpoint_that_does_not_know_its_geometry_exports_with_nulls(tmp_path):
    description = described(*SMALL)
    del description["geometry"]
    path = exported(checkpoint_of(description, tmp_path / "old.ckpt"))
    assert set(OnnxNetwork(path, device="cpu").metadata["geometry"].values()) == {None}


def refused(network, tmp_path, match: str, **options: object) -> None:
    path = tmp_path / "x.onnx"
    with pytest.raises(ValueError, match=match) as caught:
        export_network(network, path, **{"size_px": 16, "batch": None, "metadata": {}, **options})
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.onnx*"))


@pytest.fixture
def network(saved):
    return load_network(saved(*SMALL))


def test_a_file_that_computes_something_else_is_not_left(network, tmp_path, monkeypatch):
    right = OnnxNetwork.run
    monkeypatch.setattr(OnnxNetwork, "run", lambda self, diffraction: right(self, diffraction) + 7.0)
    metadata = metadata_of(described(*SMALL), neighbours=0, circular=False, scaling_of=None)
    refused(network, tmp_path, r"off by \d\.\de[-+]0\d of the output's range, the bound is 1e-04", metadata=metadata)


def test_a_network_that_predicts_nan_is_refused(network, tmp_path):
    next(network.parameters()).data.fill_(torch.nan)
    metadata = metadata_of(described(*SMALL), neighbours=0, circular=False, scaling_of=None)
    refused(network, tmp_path, "off by nan", metadata=metadata)


class Branching(nn.Module):
    """Does what no graph can: looks at a value to decide."""

    def forward(self, diffraction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        bright = diffraction if diffraction.sum().item() > 10 else -diffraction
        return bright, bright


def test_an_architecture_that_onnx_cannot_hold_is_named_in_one_line(network, tmp_path):
    network.model = Branching()
    refused(network, tmp_path, "Branching cannot be written as ONNX: .*; use the checkpoint itself")


def test_the_exporter_is_as_loud_afterwards_as_before(network, tmp_path):
    level = logging.getLogger("torch.onnx").level
    network.model = Branching()
    refused(network, tmp_path, "cannot be written")
    assert logging.getLogger("torch.onnx").level == level


def test_differences_count_by_the_range_but_not_below_what_float32_resolves():
    flat = torch.full((4,), 0.5)
    assert relative_difference(flat, flat + 2.0**-23).item() == pytest.approx(2.0**-23 / 0.01)
    assert relative_difference(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 3.5])) == 0.25
    assert relative_difference(torch.zeros(2), torch.full((2,), 0.1)) == pytest.approx(0.1)
    assert relative_difference(flat, flat * torch.nan).isnan()
