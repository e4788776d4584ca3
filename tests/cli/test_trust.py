"""A network of the user's own: used only if its package is trusted, in training and when a checkpoint names it."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from ptycho_bench.config import registry
from tests.cli.conftest import SMALL_RUN, error_line, only_run, record

NETWORK = """
from torch.nn import Conv2d, Module


class TinyNet(Module):
    def __init__(self, *, width, size_px, in_channels, phase_channels):
        super().__init__()
        self.amplitude = Conv2d(in_channels, 1, width, padding="same")
        self.phase = Conv2d(in_channels, phase_channels, width, padding="same")

    def forward(self, diffraction):
        return self.amplitude(diffraction), self.phase(diffraction)
"""
RUN = (*(word for word in SMALL_RUN if not word.startswith("model")), "model=tiny", "recipe.epochs=1")


@pytest.fixture
def own_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Words of a training with a network in the package mypkg, which is importable and not trusted."""
    package, group = tmp_path / "site" / "mypkg", tmp_path / "myconf" / "model"
    for folder in (package, group):
        folder.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text(NETWORK)
    (group / "tiny.yaml").write_text("# Two convolutions\n_target_: mypkg.nets.TinyNet\nwidth: 3\n")
    monkeypatch.syspath_prepend(str(package.parent))
    yield "--config-dir", str(group.parent), *RUN
    for name in ("mypkg", "mypkg.nets"):
        sys.modules.pop(name, None)


def test_a_network_of_an_untrusted_package_is_not_even_imported(command, own_network, tmp_path):
    err = error_line(command("train", *own_network))
    assert "_target_ 'mypkg.nets.TinyNet' is none of the classes that conf/ names" in err
    assert "if it is your own and you trust it, add --trust mypkg" in err
    assert "mypkg" not in sys.modules
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("flag", [["--trust", "mypkg"], ["--trust=mypkg"]])
def test_a_network_of_a_trusted_package_is_trained_and_evaluated(command, own_network, tmp_path, flag):
    code, out, err = command("train", *flag, *own_network)
    assert code == 0, err
    assert " model=tiny " in out.splitlines()[0]
    run = only_run(tmp_path)
    assert run.name.startswith("tiny-weighted-s0-")
    checkpoint = run / "best.ckpt"
    stored = torch.load(checkpoint, weights_only=True)["ptycho_bench"]
    assert stored["model"] == {"kind": "mypkg.nets.TinyNet", "width": 3}
    for module in ("mypkg", "mypkg.nets"):
        del sys.modules[module]
    err = error_line(command("evaluate", str(checkpoint), "pictures=false"))
    assert "mypkg.nets.TinyNet belongs to another package; if you trust " in err
    assert "add --trust mypkg" in err
    assert "mypkg" not in sys.modules
    assert not list(tmp_path.glob("evaluations/*/*/results.json"))
    words = (*flag, str(checkpoint), "pictures=false", f"folder={tmp_path / 'evaluated'}")
    code, _, err = command("evaluate", *words)
    assert code == 0, err
    assert record(tmp_path / "evaluated")["metrics"]["stitched"] == pytest.approx(record(run)["metrics"]["stitched"])


def test_the_name_of_a_trusted_package_is_not_taken_for_a_file(command):
    assert "no trained network absent.ckpt" in error_line(command("export", "--trust", "mypkg", "absent.ckpt"))


def test_an_installed_package_can_declare_itself_trusted(command, own_network, tmp_path, monkeypatch):
    entry = EntryPoint(name="networks", value="mypkg", group=registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == registry.ENTRY_POINTS else [])
    code, _, err = command("train", *own_network)
    assert code == 0, err
    checkpoint = str(only_run(tmp_path) / "best.ckpt")
    code, _, err = command("evaluate", checkpoint, "pictures=false")
    assert code == 0, err
    monkeypatch.setattr(registry, "entry_points", lambda group: [])
    assert "add --trust mypkg" in error_line(command("evaluate", checkpoint, "pictures=false", "region=all"))


def test_a_package_must_be_named(command):
    assert "--trust needs the name of a package" in error_line(command("train", "--trust", "model=ppn"))


def test_a_trusted_package_provides_no_class_of_another_one(command, own_network):
    words = ("--trust", "mypkg", *own_network, "model._target_=mypkg.nets.Conv2d")
    assert "is not a class or function that mypkg itself defines" in error_line(command("train", *words))
