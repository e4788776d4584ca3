"""Runs of a fixed number of steps, whose best checkpoint gets batch-norm statistics of the training part."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ptycho_bench.config.checkpoint import load_network, read_checkpoint
from ptycho_bench.data.store import read_scan
from ptycho_bench.records.costs import stored_numbers
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.train import train
from ptycho_bench.training.fit import BEST_CHECKPOINT, LAST_CHECKPOINT
from tests.runs.conftest import composed_spec

FEW_STEPS = ("recipe=ppn_fixed_steps", "recipe.epochs=2", "recipe.steps_per_epoch=7", "recipe.batch_size=16")


@pytest.fixture
def trained(tiny_file: Path, tmp_path: Path) -> Callable[..., Path]:
    """trained(folder, *words) -> folder of a run of few steps on 12 patterns of the tiny scan."""
    split = ("split=ppn", "split.train_rows=[0,2]", "split.validation_fraction=0.45", "split.test_rows=[8,11]")
    run = (*split, "split.test_columns=[0,11]", "model=w3", "trainer=cpu", "pictures=false", *FEW_STEPS)

    def start(name: str, *words: str) -> Path:
        spec = composed_spec("data=file", f"data.file_path={tiny_file}", *run, *words)
        train(spec, RunFolder(tmp_path / name))
        return tmp_path / name

    return start


def training_of(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())["training"]


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())["metrics"]


def statistics_off(folder: Path, scan_path: Path) -> float:
    """Return how far the statistics of the first layer lie from those of the training part, in deviations."""
    network = load_network(folder / BEST_CHECKPOINT)
    (first, *_) = (layer for layer in network.model.modules() if isinstance(layer, _BatchNorm))
    seen = []
    first.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    (tested,) = read_checkpoint(folder / BEST_CHECKPOINT)["ptycho_bench"]["test"]
    points = [point for start, end in tested["train"] for point in range(start, end)]
    network.predict(torch.from_numpy(read_scan(scan_path).diffraction[points]), batch_size=1000)
    mean, variance = seen[0].mean(dim=(0, 2, 3)), seen[0].var(dim=(0, 2, 3))
    return ((first.running_mean - mean).abs() / variance.sqrt() + (first.running_var / variance - 1).abs()).max().item()


def test_statistics_become_those_of_the_training_part_and_weights_stay(trained, tiny_file):
    kept, averaged = trained("kept", "recipe.reestimate_batch_norm=false"), trained("averaged")
    assert statistics_off(kept, tiny_file) > 0.1
    assert statistics_off(averaged, tiny_file) < 1e-4
    before, after = (read_checkpoint(folder / BEST_CHECKPOINT) for folder in (kept, averaged))
    assert before.keys() - after.keys() == {
        "loops",
        "optimizer_states",
        "lr_schedulers",
    }  # no training continues from it
    changed = {name for name, value in before["state_dict"].items() if not value.equal(after["state_dict"][name])}
    assert changed and all(name.endswith(("running_mean", "running_var")) for name in changed)
    assert [training_of(folder)["batch_norm_reestimated"] for folder in (kept, averaged)] == [False, True]
    assert training_of(kept)["best_val_total"] == training_of(averaged)["best_val_total"]
    assert metrics_of(kept)["stitched"]["amplitude_mse"] != metrics_of(averaged)["stitched"]["amplitude_mse"]


def test_steps_and_size_are_recorded_and_the_size_of_a_run_names_them(trained, capsys):
    folder, printed = trained("run"), capsys.readouterr().out
    training = training_of(folder)
    assert (training["epochs"], training["steps"]) == (2, 14)
    assert training["stored_numbers"] == stored_numbers(load_network(folder / BEST_CHECKPOINT)) > training["parameters"]
    assert f"{training['parameters']:,} parameters; 12 train, 10 validation, 33 test; 2 epochs of 7 steps" in printed


def test_a_run_that_ends_between_training_and_test_is_completed_later(trained, monkeypatch):
    def power_cut(*arguments):
        raise RuntimeError("power cut")

    for place in ("reestimate_checkpoint", "score"):  # before and after the checkpoint is rewritten
        with monkeypatch.context() as patched:
            patched.setattr(f"ptycho_bench.runs.train.{place}", power_cut)
            with pytest.raises(RuntimeError, match="power cut"):
                trained("cut")
    whole, cut = trained("whole"), trained("cut")
    assert training_of(cut)["batch_norm_reestimated"] and training_of(cut)["steps"] == 14
    assert metrics_of(whole) == metrics_of(cut)
    for file in (BEST_CHECKPOINT, LAST_CHECKPOINT):
        weights = [read_checkpoint(folder / file)["state_dict"] for folder in (whole, cut)]
        assert all(value.equal(weights[1][name]) for name, value in weights[0].items())


def test_a_run_that_is_cut_in_training_repeats_the_same_steps(trained, monkeypatch):
    def power_cut(self):
        if self.current_epoch == 1:
            raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr("ptycho_bench.training.module.PtychoModule.on_train_epoch_start", power_cut)
        with pytest.raises(RuntimeError, match="power cut"):
            trained("cut")
    weights = [read_checkpoint(trained(name) / LAST_CHECKPOINT)["state_dict"] for name in ("whole", "cut")]
    assert all(value.equal(weights[1][name]) for name, value in weights[0].items())


def test_a_network_without_batch_norm_keeps_its_checkpoint(trained):
    words = ("model=ptychonn", "model.width=4", "model.narrowest=4")
    kept, asked = trained("kept", *words, "recipe.reestimate_batch_norm=false"), trained("asked", *words)
    assert training_of(asked)["batch_norm_reestimated"] is False
    assert training_of(asked)["stored_numbers"] == training_of(asked)["parameters"]
    for name, value in read_checkpoint(kept / BEST_CHECKPOINT)["state_dict"].items():
        assert value.equal(read_checkpoint(asked / BEST_CHECKPOINT)["state_dict"][name])


def test_a_streamed_run_takes_the_same_number_of_steps(trained, tiny_file):
    folder = trained("streamed", "cache_mb=0")
    training = training_of(folder)
    assert (training["streamed"], training["steps"], training["batch_norm_reestimated"]) == (True, 14, True)
    assert statistics_off(folder, tiny_file) < 1e-4
