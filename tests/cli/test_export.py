"""ptycho-export, and ptycho-reconstruct with the files that it writes."""

import shutil
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from ptycho_bench.config.checkpoint import read_checkpoint, restore_network
from ptycho_bench.data.store import read_scan
from ptycho_bench.deployment.digest import sealed
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from tests.cli.conftest import SMALL_SCAN, error_line, only_run, record, run_command
from tests.deployment.conftest import checkpoint_of, counts, described, run_onnx, scaling

SMALL = ("model=ptychonn", "model.width=4", "model.narrowest=4", "model.depth=1")
PLAIN = ("frc=false", "pictures=false")


@pytest.fixture
def saved(tmp_path):
    """saved(*words) -> checkpoint file of a network that was never trained, for patterns of 16 px."""
    return lambda *words: checkpoint_of(described(*words), tmp_path / "best.ckpt")


@pytest.fixture(scope="module")
def exported(finished_outputs, tmp_path_factory) -> Path:
    """Folder of the small run with best.onnx beside best.ckpt; read it only."""
    outputs = tmp_path_factory.mktemp("exported")
    shutil.copytree(finished_outputs, outputs, dirs_exist_ok=True)
    run = only_run(outputs)
    code, out, err = run_command("export", str(run / "best.ckpt"))
    assert code == 0, err
    assert "diffraction (batch, 1, 16, 16), photons" in out
    assert "ONNX Runtime differs from PyTorch by at most " in out
    assert f"-> {run / 'best.onnx'} (" in out
    return run


def test_a_trained_network_reconstructs_the_same_from_its_checkpoint_and_its_export(
    command, exported, scan_file, tmp_path
):
    records = []
    for name in ("best.ckpt", "best.onnx"):
        words = ("region=test", *PLAIN, f"folder={tmp_path / name}")
        code, _, err = command("reconstruct", str(scan_file), str(exported / name), *words)
        assert code == 0, err
        records.append(record(tmp_path / name))
    assert records[0]["what"] == records[1]["what"]
    assert records[1]["device"] == "cpu"
    assert records[0]["data"]["patterns"] == records[1]["data"]["patterns"] < 225  # the test region only
    for one, other in zip(*((found["metrics"]["stitched"], found["misfit"]) for found in records), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_the_geometry_of_the_training_is_part_of_the_exported_file(exported):
    metadata = OnnxNetwork(exported / "best.onnx", device="cpu").metadata
    geometry = {"pixel_size_m": 4e-9, "energy_ev": None, "distance_m": None, "detector_pixel_m": None}
    assert metadata["geometry"] == geometry
    assert metadata["scaling_of"] is None


def test_a_file_of_a_fixed_batch_reconstructs_and_starts_a_solver(command, saved, scan_file, tmp_path):
    file = tmp_path / "new" / "fixed.onnx"
    code, out, err = command("export", str(saved(*SMALL)), f"out={file}", "batch=7")
    assert code == 0, err
    assert "diffraction (7, 1, 16, 16)" in out
    words = ("solver=epie", "solver.iterations=1", f"warm_start={file}")  # 225 patterns are 32 batches and 1 pattern
    code, out, err = command("reconstruct", str(scan_file), *words, *PLAIN)
    assert code == 0, err
    assert "epie-from-small-s0-0123456789: 225 patterns" in out


def test_an_export_in_the_scaling_of_one_scan_is_not_used_for_another(command, scan_file, tmp_path):
    hashes = {"one": read_scan(scan_file).content_hash, "two": "bb" * 32}
    region = {"points": [0], "train": [[1, 9]], "region_px": [0.0, 16.0, 0.0, 16.0]}
    description = {
        **described(*SMALL),
        "own_scaling": {hashes["one"]: scaling(16, phase_high=0.2), hashes["two"]: scaling(16, phase_high=2.0)},
        "test": [{"name": name, "words": f"data={name}", "content_hash": hashes[name], **region} for name in hashes],
    }
    checkpoint = checkpoint_of(description, tmp_path / "best.ckpt")
    code, _, err = command("export", str(checkpoint), "scan=two")
    assert code == 0, err
    seen = counts(2, 1, 16)
    with torch.inference_mode():
        _, phase = restore_network(read_checkpoint(checkpoint), hashes["two"])(seen)
    torch.testing.assert_close(run_onnx(tmp_path / "best.onnx", seen)[:, 1], phase, rtol=1e-4, atol=1e-5)
    assert OnnxNetwork(tmp_path / "best.onnx", device="cpu").metadata["scaling_of"] == hashes["two"]
    err = error_line(command("reconstruct", str(scan_file), f"{tmp_path}/best.onnx"))
    way_out = f"this scan has its own; ptycho-export CHECKPOINT scan={hashes['one'][:10]}"
    assert f"best.onnx contains that of scan bbbbbbbbbb, {way_out}" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("batch=0",), "batch must lie in [1, 1000000], got 0"),
        (("batch=many",), "batch must be a whole number or null, got 'many'"),
        (("out=model.txt",), "out must end in .onnx, by which ptycho-reconstruct recognises it, got model.txt"),
        (("scan=one",), "scan=one chooses a scan's own scaling, but this network has one for all; leave it out"),
        (("other.ckpt",), "this command takes 1 checkpoint, got 2"),
        (("bach=8",), "no key 'bach', did you mean 'batch'?"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(command, saved, tmp_path, words, message):
    assert message in error_line(command("export", str(saved(*SMALL)), *words))
    assert not list(tmp_path.rglob("*.onnx*"))


def test_a_missing_checkpoint_and_one_of_another_schema_are_refused(command, tmp_path):
    assert "no checkpoint is named" in error_line(command("export"))
    assert "no trained network absent.ckpt" in error_line(command("export", "absent.ckpt"))
    old = checkpoint_of({**described(*SMALL), "schema": 1}, tmp_path / "old.ckpt")
    assert "has schema 1, this release reads" in error_line(command("export", str(old)))


@pytest.fixture
def without(monkeypatch):
    """without(name): pretend that a package is not installed."""
    import importlib.util

    original = importlib.util.find_spec

    def hide(hidden: str) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == hidden else original(name))

    return hide


def test_missing_packages_are_named_with_the_command_that_installs_them(command, exported, saved, scan_file, without):
    without("onnxruntime")
    err = error_line(command("reconstruct", str(scan_file), str(exported / "best.onnx")))
    assert "ONNX files need packages that are not installed: onnxruntime; pip install onnxruntime" in err
    without("onnxscript")
    assert "not installed: onnxscript; pip" in error_line(command("export", str(saved(*SMALL))))


def foreign(path: Path) -> None:
    """Write an ONNX file of another program."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", values[:1], values[1:])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)


def seal(path: Path) -> None:
    """Append a digest that fits the file."""
    path.write_bytes(sealed(path.read_bytes()))


def test_files_that_cannot_be_run_are_refused(command, exported, scan_file, tmp_path):
    def by(path: Path, scan: Path = scan_file) -> str:
        return error_line(command("reconstruct", str(scan), str(path)))

    assert "no trained network" in by(tmp_path / "absent.onnx")
    (tmp_path / "cut.onnx").write_bytes(b"\x08\x08cut")
    assert "cut.onnx was not written by this release's ptycho-export, or is incomplete" in by(tmp_path / "cut.onnx")
    foreign(tmp_path / "foreign.onnx")
    seal(tmp_path / "foreign.onnx")
    assert "foreign.onnx was not written by ptycho-export" in by(tmp_path / "foreign.onnx")
    model = onnx.load(exported / "best.onnx")
    next(entry for entry in model.metadata_props if entry.key == "ptycho_bench.format").value = "0"
    onnx.save(model, tmp_path / "old.onnx")
    seal(tmp_path / "old.onnx")
    assert "old.onnx has format '0', this release reads '2'; export the checkpoint again" in by(tmp_path / "old.onnx")
    larger = tmp_path / "larger.h5"
    assert command("simulate", *SMALL_SCAN, "data.probe.size_px=32", f"out={larger}")[0] == 0
    assert "patterns are 32 px, the network was trained on 16 px" in by(exported / "best.onnx", larger)
    assert not (tmp_path / "reconstructions").exists()


def test_a_device_that_onnx_runtime_does_not_have_is_refused(command, exported, scan_file, monkeypatch):
    words = (str(scan_file), str(exported / "best.onnx"), "device=cuda")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # PyTorch has a CUDA device, ONNX Runtime has none
    err = error_line(command("reconstruct", *words))
    assert "device=cuda needs ONNX Runtime with CUDAExecutionProvider" in err
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: [f"{n}ExecutionProvider" for n in ("CUDA", "CPU")]
    )
    with pytest.warns(UserWarning, match="not in available provider"):  # it lists the provider but cannot start it
        err = error_line(command("reconstruct", *words))
    assert "device=cuda: ONNX Runtime could not start CUDAExecutionProvider; use device=cpu" in err


def test_without_a_cuda_provider_an_export_runs_on_the_cpu(command, exported, scan_file, tmp_path, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    words = ("region=[0,40,0,40]", *PLAIN, f"folder={tmp_path / 'cpu'}")
    code, _, err = command("reconstruct", str(scan_file), str(exported / "best.onnx"), *words)
    assert code == 0, err
    assert record(tmp_path / "cpu")["device"] == "cpu"


def test_an_export_replaces_the_previous_one_only_if_it_is_correct(command, saved, monkeypatch):
    checkpoint = saved(*SMALL)
    previous = checkpoint.with_suffix(".onnx")
    previous.write_bytes(b"previous")
    correct = OnnxNetwork.run
    monkeypatch.setattr(OnnxNetwork, "run", lambda self, seen: 2 * correct(self, seen))
    words = (str(checkpoint), "overwrite=true")
    assert "ONNX Runtime and PyTorch differ by" in error_line(command("export", *words))
    assert previous.read_bytes() == b"previous"
    assert [file.name for file in previous.parent.glob("*.onnx*")] == ["best.onnx"]
