"""Test the metadata of exported files: their content, and the refusal of damaged or foreign ones."""

import json
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch

from ptycho_bench.deployment.digest import EMPTY, sealed
from ptycho_bench.deployment.export import export_network
from ptycho_bench.deployment.metadata import metadata_of
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from tests.deployment.conftest import described, network_of
from tests.deployment.test_export import TwoConvolutions

WORDS = ("phase=circular", "input.neighbours=1")


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """A small exported network that uses neighbouring patterns."""
    description, path = described(*WORDS), tmp_path_factory.mktemp("exported") / "network.onnx"
    network = network_of(description, TwoConvolutions(9, 2))
    metadata = metadata_of(description, neighbours=1, circular=True, scaling_of=None)
    export_network(network, path, size_px=16, batch=2, metadata=metadata)
    return path


def test_one_file_contains_everything_and_no_path_of_this_machine(file):
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
    content = file.read_bytes()
    assert str(Path.cwd()).encode() not in content
    assert b"site-packages" not in content


def test_the_metadata_describe_input_and_output(file):
    texts = onnxruntime.InferenceSession(str(file)).get_modelmeta().custom_metadata_map
    assert texts["ptycho_bench.run"] == "small-s0-0123456789"
    assert texts["ptycho_bench.version"]
    given, output, orientation, geometry, description = (
        json.loads(texts[f"ptycho_bench.{name}"])
        for name in ("input", "output", "orientation", "geometry", "description")
    )
    assert (given["unit"], given["shape"], given["zero_frequency"]) == ("photons", [None, 9, 16, 16], [8, 8])
    assert given["patterns"] == 9 and "row by row" in given["order"]
    assert (output["channels"], output["units"], output["circular"]) == (["amplitude", "phase"], ["1", "rad"], True)
    assert orientation["row"].startswith("y, down") and "exp(+i phase)" in orientation["object"]
    assert geometry == {"pixel_size_m": 4e-9, "energy_ev": 8800.0, "distance_m": None, "detector_pixel_m": 7.5e-5}
    assert description["size_px"] == 16
    assert description["scaling"]["phase_high"] == 0.9
    assert description["scaling"]["log1p_mean"] is None  # part of the graph, if it is used


def test_the_metadata_name_no_code_and_no_path(file):
    texts = onnxruntime.InferenceSession(str(file)).get_modelmeta().custom_metadata_map
    assert "data.file_path" in described(*WORDS)["test"][0]["words"]
    assert not any("_target_" in text or "ptycho_bench." in text or "/" in text for text in texts.values())


def test_an_unknown_geometry_is_null():
    description = described()
    del description["geometry"]
    texts = metadata_of(description, neighbours=0, circular=False, scaling_of=None)
    assert set(json.loads(texts["ptycho_bench.geometry"]).values()) == {None}


def changed(file: Path, path: Path, key: str, value: str | None) -> Path:
    """Write a copy of an exported file with one text of its metadata changed, or removed if the value is None."""
    model = onnx.load(file)
    entry = next(entry for entry in model.metadata_props if entry.key == f"ptycho_bench.{key}")
    if value is None:
        model.metadata_props.remove(entry)
    else:
        entry.value = value
    return save(model, path)


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model whose digest fits its content."""
    kept = [entry for entry in model.metadata_props if entry.key != "ptycho_bench.digest"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    path.write_bytes(sealed(model.SerializeToString()))
    return path


def part(metadata: dict, key: str, **changes: object) -> str:
    """Return one JSON part of the metadata, with changes."""
    return json.dumps({**metadata[key], **changes})


def damaged(metadata: dict) -> list[tuple[str, str | None, str]]:
    """Return damaged texts: the key, its text, and what the message says."""
    neighbours = r"input\.neighbours must be an integer from 0 to 16, got "
    file_name, scan_hash = "run must consist of letters, digits", "scaling_of must be a hash of 64 hexadecimal digits"
    return [
        ("format", None, r"was not written by ptycho-export: its metadata has no ptycho_bench\.format"),
        ("format", "1", "has format '1', this release reads '2'; export the checkpoint again"),
        ("format", "3\nerror: none", r"has format '3\\nerror: none', this release"),
        ("version", None, "version is missing"),
        ("version", "0.1\n0.2", r"version must be a printable text, got '0\.1\\n0\.2'"),
        ("run", None, "run is missing"),
        ("run", "../../etc", file_name),
        ("run", "a/b", file_name),
        ("run", "a\\b", file_name),
        ("run", ".hidden", file_name),
        ("run", "small\n", "run must be a printable text"),
        ("run", "", file_name),
        *((key, None, f"{key} is missing") for key in ("description", "scaling_of", "input", "output", "orientation")),
        ("geometry", "{", "geometry is not JSON"),
        ("description", "[" * 100_000, "description is not JSON"),
        ("description", "[]", "description must be a JSON object, got list"),
        ("input", "1", "input must be a JSON object, got 1"),
        ("output", "null", "output must be a JSON object, got None"),
        ("orientation", '"up"', "orientation must be a JSON object, got 'up'"),
        ("input", "{}", neighbours + "None"),
        ("input", part(metadata, "input", neighbours=-1, patterns=1), neighbours + "-1"),
        ("input", part(metadata, "input", neighbours=17, patterns=1225), neighbours + "17"),
        ("input", part(metadata, "input", neighbours=1.0), neighbours + r"1\.0"),
        ("input", part(metadata, "input", neighbours=True), neighbours + "True"),
        ("input", part(metadata, "input", patterns=1), r"input\.patterns must be 9 with 1 neighbours, got 1"),
        ("input", part(metadata, "input", patterns="9"), r"input\.patterns must be 9 with 1 neighbours, got '9'"),
        ("output", part(metadata, "output", circular=1), r"output\.circular must be true or false, got 1"),
        ("scaling_of", '"abc"', scan_hash),
        ("scaling_of", json.dumps("g" * 64), scan_hash),
        ("scaling_of", json.dumps("a" * 64 + "\n"), scan_hash),
        ("scaling_of", "[1]", scan_hash),
    ]


def test_an_intact_file_is_read(file, tmp_path):
    own = "0123456789abcdef" * 4
    path = changed(file, tmp_path / "own.onnx", "scaling_of", json.dumps(own))
    assert OnnxNetwork(path, device="cpu").metadata["scaling_of"] == own
    assert OnnxNetwork(file, device="cpu").metadata["scaling_of"] is None


def test_damaged_metadata_are_refused_in_one_line_that_names_the_file(file, tmp_path):
    for key, value, message in damaged(OnnxNetwork(file, device="cpu").metadata):
        path = changed(file, tmp_path / "damaged.onnx", key, value)
        with pytest.raises(ValueError, match=message) as caught:
            OnnxNetwork(path, device="cpu")
        assert str(caught.value).startswith(f"{path} ")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_metadata_that_are_not_utf8_are_refused_in_one_line(file, tmp_path):
    path = tmp_path / "damaged.onnx"
    content = file.read_bytes()
    assert content.count(b"small-s0-0123456789") == 2  # in the run and in the description
    body = content[: -len(EMPTY)]
    path.write_bytes(sealed(body.replace(b"small-s0-0123456789", b"small-s0-\xff\xfe3456789")))
    with pytest.raises(ValueError, match=r"cannot be read as ONNX|is damaged") as caught:
        OnnxNetwork(path, device="cpu")
    assert str(caught.value).startswith(f"{path} ") and "\n" not in str(caught.value)


def test_a_file_that_uses_the_metadata_runs(file):
    table = torch.zeros(2, 9, dtype=torch.long)
    amplitude, phase = OnnxNetwork(file, device="cpu").predict(torch.ones(1, 16, 16), batch_size=2, neighbours=table)
    assert amplitude.shape == phase.shape == (2, 16, 16)
