"""Only classes that conf/ names, and those of trusted packages, can be named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ptycho_bench.config import registry
from ptycho_bench.config.build import build
from ptycho_bench.config.registry import name_of, resolve, shipped_classes


def test_every_class_of_conf_has_one_short_name_and_resolves_to_itself():
    found: dict[str, str] = {}
    for group, classes in shipped_classes().items():
        for name, target in classes.items():
            assert found.setdefault(name, target) == target, f"{name} stands for two classes"
            assert name_of(target) == name
            made = resolve(name, group)
            assert f"{made.__module__}.{made.__qualname__}".endswith(name)


@pytest.mark.parametrize(
    "target",
    ["os.system", "subprocess.Popen", "builtins.eval", "shutil.rmtree", "ptycho_bench.records.run_folder.RunFolder",
     "ptycho_bench.data.atomic.os.remove", "torch.hub.load", "torch.load", "Popen", ""],
)  # fmt: skip
def test_a_class_that_conf_does_not_name_is_refused(target):
    with pytest.raises(ValueError, match="none of the classes that conf/ names"):
        name_of(target)
    with pytest.raises(ValueError, match="none of the classes that conf/ names"):
        build({"_target_": target})


@pytest.mark.parametrize("name", ["os.system", "Popen", "simulate_scan", "wandb_logger", "object_from_complex", "Adam"])
def test_a_file_can_only_name_classes_of_the_part_it_describes(name):
    with pytest.raises(ValueError, match=r"not a known class of conf/model|another package"):
        resolve(name, "model")


def test_optimisers_and_schedules_of_torch_may_be_named_in_a_recipe():
    optimizer = build({"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 1e-3})
    assert isinstance(optimizer([torch.nn.Parameter(torch.zeros(1))]), torch.optim.AdamW)
    with pytest.raises(ValueError, match="none of the classes"):
        name_of("torch.optim.lr_scheduler.os.system")


PACKAGE = {
    "__init__.py": "",
    "nets.py": """
import os
from os import system


class Net:
    def __init__(self, *, width):
        self.width = width
""",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of the user, importable and not trusted."""
    folder = tmp_path / "mynets"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv(registry.TRUST_VARIABLE, raising=False)
    return "mynets"


def test_a_package_is_used_only_if_it_is_trusted(package, monkeypatch):
    with pytest.raises(ValueError, match="--trust mynets"):
        name_of("mynets.nets.Net")
    with pytest.raises(ValueError, match="--trust mynets"):
        resolve("mynets.nets.Net", "model")
    monkeypatch.setenv(registry.TRUST_VARIABLE, package)
    assert name_of("mynets.nets.Net") == "mynets.nets.Net"
    assert build({"_target_": "mynets.nets.Net", "width": 3}).width == 3


@pytest.mark.parametrize(
    "path", ["mynets.nets.system", "mynets.nets.os.system", "mynets.absent.Net", "mynets.nets.Absent"]
)
def test_a_trusted_package_lends_nothing_that_it_only_imports(package, monkeypatch, path):
    monkeypatch.setenv(registry.TRUST_VARIABLE, package)
    with pytest.raises(ValueError, match=r"cannot be imported|itself defines"):
        resolve(path)


def test_an_entry_point_trusts_a_package(package, monkeypatch):
    from importlib.metadata import EntryPoint

    entry = EntryPoint(name="mine", value="mynets", group=registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == registry.ENTRY_POINTS else [])
    assert name_of("mynets.nets.Net") == "mynets.nets.Net"


def test_looking_up_a_name_imports_no_torch():
    code = (
        "import sys\nfrom ptycho_bench.config.registry import name_of\n"
        "name_of('ptycho_bench.models.ppn.ppn.PPN')\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False).returncode == 0
