"""The environment record of a run."""

import importlib.metadata
import json
import subprocess
from pathlib import Path

import pytest
import torch

from ptycho_bench.records import environment
from ptycho_bench.records.environment import PACKAGES, collect_environment, device_description, git_state, processor


def test_the_environment_is_plain_data_with_the_versions_that_are_installed():
    collected = collect_environment()
    assert json.loads(json.dumps(collected)) == collected
    assert collected["packages"] == {name: importlib.metadata.version(name) for name in PACKAGES}
    assert collected["torch_threads"] == torch.get_num_threads()
    assert collected["cores"] >= 1
    assert len(collected["gpus"]) == torch.cuda.device_count()


def test_a_cpu_is_described_by_its_name_and_threads():
    assert device_description("cpu") == {
        "device": "cpu", "threads": torch.get_num_threads(), "machine": processor()
    }  # fmt: skip
    assert processor()


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A folder in the layout of this project, from which the module seems to run."""
    module = tmp_path / "ptycho_bench" / "records" / "environment.py"
    module.parent.mkdir(parents=True)
    module.touch()
    monkeypatch.setattr(environment, "__file__", str(module))
    return tmp_path


def test_there_is_no_git_state_outside_a_checkout(checkout):
    assert git_state() == {}


def test_only_changes_of_code_and_configuration_count_as_modified(checkout):
    author = ("-c", "user.name=Name", "-c", "user.email=name@example.org")
    for arguments in (("init",), ("add", "."), ("commit", "--message", "first")):
        subprocess.run(["git", "-C", str(checkout), *author, *arguments], check=True, capture_output=True)
    commit = git_state()["commit"]
    assert len(commit) == 40
    (checkout / "notes.txt").touch()
    assert git_state() == {"commit": commit, "modified": False}
    (checkout / "ptycho_bench" / "new.py").touch()
    assert git_state() == {"commit": commit, "modified": True}
