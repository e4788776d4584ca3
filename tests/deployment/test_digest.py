"""The digest of exported files: changed, foreign and hostile files are refused before ONNX Runtime loads them."""

import random
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from ptycho_bench.deployment.digest import EMPTY, read_sealed, sealed
from ptycho_bench.deployment.export import export_network
from ptycho_bench.deployment.metadata import metadata_of
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from tests.deployment.conftest import described, network_of
from tests.deployment.test_export import TwoConvolutions
from tests.deployment.test_metadata import save

OPSETS = [helper.make_opsetid("", 20)]


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """A small exported network."""
    description, path = described(), tmp_path_factory.mktemp("sealed") / "network.onnx"
    metadata = metadata_of(description, neighbours=0, circular=False, scaling_of=None)
    export_network(network_of(description, TwoConvolutions(1, 1)), path, size_px=16, batch=None, metadata=metadata)
    return path


def refused(content: bytes, path: Path) -> str:
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        OnnxNetwork(path, device="cpu")
    assert str(caught.value).startswith(f"{path} ") and "\n" not in str(caught.value)
    return str(caught.value)


def test_other_programs_read_the_digest_as_a_text_of_the_metadata(file):
    texts = onnxruntime.InferenceSession(str(file)).get_modelmeta().custom_metadata_map
    assert texts["ptycho_bench.digest"].encode() == file.read_bytes()[-64:]
    model = onnx.load(file)
    onnx.checker.check_model(model)
    assert model.metadata_props[-1].key == "ptycho_bench.digest"


def test_every_flipped_bit_is_noticed(file, tmp_path):
    content, generator = file.read_bytes(), random.Random(0)
    bits, end = range(8 * len(content)), 8 * len(EMPTY)
    places = [*generator.sample(bits, 150), *bits[-end:]]
    for place in places:
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        assert "export the checkpoint again" in refused(bytes(changed), tmp_path / "changed.onnx")


@pytest.mark.parametrize("kept", [0, 1, 60, 88, 89, 90, 1000, -1])
def test_a_truncated_file_is_refused(file, tmp_path, kept):
    assert "does not end with a digest" in refused(file.read_bytes()[:kept], tmp_path / "short.onnx")


def test_anything_after_the_digest_is_refused(file, tmp_path):
    message = "was not written by this release's ptycho-export, or is incomplete"
    assert message in refused(file.read_bytes() + b"\0", tmp_path / "long.onnx")
    foreign = sealed(b"")[: -len(EMPTY)] + onnx.load(file).SerializeToString()[:-1]
    assert message in refused(foreign, tmp_path / "foreign.onnx")


def test_a_file_that_contains_only_a_digest_is_no_network(tmp_path):
    assert "cannot be read as ONNX" in refused(sealed(b"no ONNX"), tmp_path / "x.onnx")


def hostile(file: Path, change) -> bytes:
    """Return an exported file whose model was changed and whose digest fits."""
    model = onnx.load(file)
    change(model)
    return save(model, file.with_name("hostile.onnx")).read_bytes()


def with_external_weights(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")


def test_weights_in_another_file_are_never_read(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.ones(10**4, np.float32).tofile("secret.bin")
    message = "refers to weights in another file, which are never read"
    content = hostile(file, with_external_weights)
    assert message in refused(content, tmp_path / "external.onnx")
    body = content[: -len(EMPTY)].replace(b"\x0a\x08location", b"\x0a\x88\x80\x00location")  # the same to protobuf
    assert message in refused(sealed(body), tmp_path / "longer.onnx")


def with_another_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def with_a_wider_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 17


@pytest.mark.parametrize("change", [with_another_input, with_a_wider_input])
def test_a_graph_with_other_inputs_than_described_is_refused(file, tmp_path, change):
    message = refused(hostile(file, change), tmp_path / "x.onnx")
    assert "is damaged: input and output are" in message or "cannot be read as ONNX" in message


def test_a_file_of_another_producer_is_refused(tmp_path):
    nodes = [helper.make_node("Identity", ["diffraction"], ["obj_patches"])]
    shapes = [helper.make_tensor_value_info(name, 1, [1, 1, 4, 4]) for name in ("diffraction", "obj_patches")]
    graph = helper.make_graph(nodes, "g", shapes[:1], shapes[1:])
    model = helper.make_model(graph, ir_version=10, opset_imports=OPSETS)
    assert "does not end with a digest" in refused(model.SerializeToString(), tmp_path / "x.onnx")
    assert "has no ptycho_bench.format" in refused(sealed(model.SerializeToString()), tmp_path / "x.onnx")


def test_a_huge_file_is_refused_unread(tmp_path):
    with open(tmp_path / "huge.onnx", "wb") as handle:
        handle.truncate(2**31 + 1)
    with pytest.raises(ValueError, match="is larger than 2 GiB, so it is no ONNX file"):
        read_sealed(tmp_path / "huge.onnx")
