"""ptycho-export, and what runs its files: ptycho-reconstruct."""

import json
from pathlib import Path

import pytest
import torch

from ptycho_bench.config.checkpoint import read_checkpoint, restore_network
from ptycho_bench.deployment.onnx_network import OnnxNetwork
from tests.cli.conftest import SMALL_SCAN
from tests.deployment.conftest import SMALL, checkpoint_of, counts, described, run_onnx, scaling

PLAIN = ("frc=false", "pictures=false")


@pytest.fixture
def saved(tmp_path):
    """saved(*words, size_px=16) -> checkpoint file of a network that was never trained."""
    return lambda *words, size_px=16: checkpoint_of(described(*words, size_px=size_px), tmp_path / "best.ckpt")


@pytest.fixture
def scan(command, tmp_path):
    """A small simulated scan as a file."""
    code, _, err = command("simulate", *SMALL_SCAN, f"out={tmp_path}/scan.h5")
    assert code == 0, err
    return str(tmp_path / "scan.h5")


def reconstructed(command, *words: str) -> dict:
    """results.json of ptycho-reconstruct."""
    folder = Path(words[0]).parent / f"by-{Path(words[1]).name}"
    code, _, err = command("reconstruct", *words, *PLAIN, f"folder={folder}")
    assert code == 0, err
    return json.loads((folder / "results.json").read_text())


def test_a_trained_network_reconstructs_alike_from_its_checkpoint_and_its_export(command, small_run, scan):
    checkpoint = small_run / "best.ckpt"
    code, out, err = command("export", str(checkpoint))
    assert code == 0, err
    assert "diffraction (batch, 1, 16, 16), photons" in out
    assert "of the output's range at most" in out
    exported = small_run / "best.onnx"
    assert f"-> {exported} (" in out
    both = [reconstructed(command, scan, str(path), "region=test") for path in (checkpoint, exported)]
    assert both[0]["what"] == both[1]["what"]
    assert both[1]["device"] == "cpu"
    assert both[0]["data"]["patterns"] == both[1]["data"]["patterns"] < 225  # the test region alone
    for part in ("metrics", "misfit"):
        assert both[1][part] == pytest.approx(both[0][part], rel=1e-4), part


def test_training_leaves_the_geometry_for_the_export(command, small_run):
    command("export", str(small_run / "best.ckpt"))
    geometry = OnnxNetwork(small_run / "best.onnx", device="cpu").metadata["geometry"]
    assert geometry == {"pixel_size_m": 4e-9, "energy_ev": None, "distance_m": None, "detector_pixel_m": None}


def test_a_fixed_batch_reconstructs_and_starts_a_solver(command, saved, scan):
    code, out, err = command("export", str(saved(*SMALL)), f"out={Path(scan).parent}/new/fixed.onnx", "batch=7")
    assert code == 0, err
    assert "diffraction (7, 1, 16, 16)" in out
    exported = f"{Path(scan).parent}/new/fixed.onnx"
    assert reconstructed(command, scan, exported)["data"]["patterns"] == 225  # 7 x 32 + 1
    words = ("solver=epie", "solver.iterations=1", f"warm_start={exported}")
    code, out, err = command("reconstruct", scan, *words, *PLAIN)
    assert code == 0, err
    assert "epie-from-small-s0-0123456789: 225 patterns" in out


def own_scalings() -> dict:
    """A network of two scans, each in its own ranges."""
    return {
        **described(*SMALL),
        "own_scaling": {"aa11": scaling(16, phase_high=0.2), "bb22": scaling(16, phase_high=2.0)},
        "test": [{"name": name, "words": f"data={name}", "content_hash": content_hash, "points": [0],
                  "region_px": [0.0, 16.0, 0.0, 16.0]} for name, content_hash in (("one", "aa11"), ("two", "bb22"))],
    }  # fmt: skip


@pytest.mark.parametrize(("word", "own"), [((), None), (("scan=two",), "bb22"), (("scan=aa",), "aa11")])
def test_of_several_scalings_the_named_scans_is_in_the_graph(command, tmp_path, word, own):
    checkpoint = checkpoint_of(own_scalings(), tmp_path / "best.ckpt")
    code, _, err = command("export", str(checkpoint), *word)
    assert code == 0, err
    seen = counts(2, 1, 16)
    with torch.inference_mode():
        _, phase = restore_network(read_checkpoint(checkpoint), own)(seen)
    torch.testing.assert_close(run_onnx(tmp_path / "best.onnx", seen)[:, 1], phase, rtol=1e-4, atol=1e-5)
    assert OnnxNetwork(tmp_path / "best.onnx", device="cpu").metadata["scaling_of"] == own


def test_a_scan_of_training_is_not_read_in_the_scaling_of_another(command, scan, tmp_path):
    from ptycho_bench.data.store import read_scan

    description, trained_on = own_scalings(), read_scan(scan).content_hash
    description["own_scaling"][trained_on] = scaling(16)
    checkpoint = checkpoint_of(description, tmp_path / "best.ckpt")
    for word, held in ((), "the joint scaling"), (("scan=one",), "that of scan aa11"):
        assert command("export", str(checkpoint), *word)[0] == 0
        err = refused(command("reconstruct", scan, f"{tmp_path}/best.onnx"))
        assert f"holds {held}, this scan has its own; ptycho-export CHECKPOINT scan={trained_on[:10]}" in err


def refused(result: tuple[int, str, str]) -> str:
    """The one line of a command that failed."""
    code, _, err = result
    assert code == 1
    assert err.startswith("error: ") and err.count("\n") == 1, err
    return err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("batch=0",), "batch must be at least 1, got 0; null allows any batch size"),
        (("batch=many",), "batch must be int or null, got 'many'"),
        (("out=model.txt",), "out must end in .onnx, by which ptycho-reconstruct knows it, got model.txt"),
        (("scan=one",), "scan=one chooses a scan's own scaling, but this network has one for all; leave it out"),
        (("other.ckpt",), "this command takes 1 checkpoint, got 2"),
        (("bach=8",), "no key 'bach', did you mean 'batch'?"),
    ],
)
def test_what_cannot_be_exported_gets_one_line(command, saved, tmp_path, words, message):
    assert message in refused(command("export", str(saved(*SMALL)), *words))
    assert not list(tmp_path.rglob("*.onnx*"))


def test_a_scan_the_network_was_not_trained_on_is_refused(command, tmp_path):
    checkpoint = checkpoint_of(own_scalings(), tmp_path / "best.ckpt")
    err = refused(command("export", str(checkpoint), "scan=three"))
    assert "scan=three fits 0 of the 2 scans of training; there are one (aa11), two (bb22)" in err


def test_no_checkpoint_and_one_of_another_schema_are_refused(command, tmp_path):
    assert "checkpoint has no value" in refused(command("export"))
    assert "no checkpoint absent.ckpt" in refused(command("export", "absent.ckpt"))
    old = checkpoint_of({**described(*SMALL), "schema": 1}, tmp_path / "old.ckpt")
    assert "has schema 1, this release reads" in refused(command("export", str(old)))


@pytest.fixture
def without(monkeypatch):
    """without(name): as if that package were not installed."""
    import importlib.util

    right = importlib.util.find_spec

    def hide(hidden: str) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == hidden else right(name))

    return hide


def test_missing_packages_are_named_with_what_installs_them(command, saved, scan, without):
    checkpoint = saved(*SMALL)
    assert command("export", str(checkpoint))[0] == 0
    without("onnxruntime")
    err = refused(command("reconstruct", scan, str(checkpoint.with_suffix(".onnx"))))
    assert "ONNX files need packages that are not installed: onnxruntime; pip install onnxruntime" in err
    without("onnxscript")
    assert "not installed: onnxscript; pip" in refused(command("export", str(checkpoint)))


def foreign(path: Path) -> None:
    """An ONNX file that knows nothing of this project."""
    import onnx
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", values[:1], values[1:])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)


def test_files_that_cannot_be_run_are_refused(command, saved, scan, tmp_path):
    import onnx

    def by(name: str, *words: str) -> str:
        return refused(command("reconstruct", scan, str(tmp_path / name), *words))

    assert "no file" in by("absent.onnx")
    (tmp_path / "cut.onnx").write_bytes(b"\x08\x08cut")
    assert "cut.onnx cannot be read as ONNX" in by("cut.onnx")
    foreign(tmp_path / "foreign.onnx")
    assert "foreign.onnx was not written by ptycho-export" in by("foreign.onnx")
    assert command("export", str(saved(*SMALL, size_px=32)))[0] == 0
    assert "patterns are 16 px, the network was trained on 32 px" in by("best.onnx")
    model = onnx.load(tmp_path / "best.onnx")
    next(entry for entry in model.metadata_props if entry.key == "ptycho_bench.format").value = "0"
    onnx.save(model, tmp_path / "old.onnx")
    assert "old.onnx has format '0', this release reads '1'; export the checkpoint again" in by("old.onnx")
    assert not (tmp_path / "reconstructions").exists()


def test_a_device_that_onnx_runtime_does_not_have_is_refused(command, saved, scan, monkeypatch):
    import onnxruntime

    checkpoint = saved(*SMALL)
    assert command("export", str(checkpoint))[0] == 0
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # PyTorch has one, ONNX Runtime has not
    exported = str(checkpoint.with_suffix(".onnx"))
    assert "device=cuda needs ONNX Runtime with CUDAExecutionProvider" in refused(
        command("reconstruct", scan, exported, "device=cuda")
    )
    assert reconstructed(command, scan, exported)["device"] == "cpu"
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: [f"{n}ExecutionProvider" for n in ("CUDA", "CPU")]
    )
    with pytest.warns(UserWarning, match="not in available provider"):  # it says it has one, and cannot start it
        err = refused(command("reconstruct", scan, exported, "device=cuda"))
    assert "device=cuda: ONNX Runtime could not start CUDAExecutionProvider; use device=cpu" in err


def test_an_export_replaces_the_one_before_only_when_it_is_right(command, saved, monkeypatch):
    checkpoint = saved(*SMALL)
    exported = checkpoint.with_suffix(".onnx")
    assert command("export", str(checkpoint))[0] == 0
    before = exported.read_bytes()
    right = OnnxNetwork.run
    with monkeypatch.context() as patched:
        patched.setattr(OnnxNetwork, "run", lambda self, seen: 2 * right(self, seen))
        assert "ONNX Runtime and PyTorch differ by" in refused(command("export", str(checkpoint)))
    assert exported.read_bytes() == before
    assert [file.name for file in exported.parent.glob("*.onnx*")] == ["best.onnx"]
