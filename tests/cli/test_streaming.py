"""Sets beyond cache_mb: trained on from the file, scored, resumed and recorded as those that fit."""

import json
import sys
from pathlib import Path

import h5py
import hydra
import numpy as np
import pytest
import torch
from ptycho_bench.config.streaming import streams

from ptycho_bench.cli import simulate
from ptycho_bench.config.identity import run_hash
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.prepare import prepare
from ptycho_bench.training.loading.blocks import ScanPart
from ptycho_bench.training.module import PtychoModule
from tests.cli.conftest import SMALL_RUN, SMALL_SCAN
from tests.cli.test_bad_input import refused
from tests.cli.test_train import rows_of, weights_of
from tests.training.loading.test_prefetch import threads

RUN = tuple(word for word in SMALL_RUN if not word.startswith("data."))


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """225 patterns of 16 px, 0.7 MB prepared; read it only."""
    path = tmp_path_factory.mktemp("scans") / "a.h5"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["ptycho-simulate", *SMALL_SCAN, f"out={path}"])
        simulate.main()
    return path


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 10 samples in a buffer of 80, so that a small set does not fit into it."""
    monkeypatch.setattr("ptycho_bench.training.loading.from_file.BUFFER_BYTES", 80 * 3 * 16**2 * 4)


def compose(file: Path, *words: str):
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        return hydra.compose("config", ["data=file", f"data.file_path={file}", *RUN, *words])


def run_of(tmp_path: Path, study: str = "default") -> Path:
    (folder,) = (tmp_path / "runs" / study).iterdir()
    return folder


def training(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())["training"]


def test_what_the_files_take_prepared_decides(file):
    def decided(*words: str) -> bool:
        with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
            return streams(hydra.compose("config", list(words)))

    one, with_ltem = ("data=file", f"data.file_path={file}"), ("data=several", f"data.scans=[{file},ltem]")

    taken_mb = 225 * 16**2 * 4 * 3 / 1e6  # pattern, amplitude, phase
    beyond, within = f"cache_mb={taken_mb - 1e-3}", f"cache_mb={taken_mb}"
    assert decided(*one, beyond)
    assert not decided(*one, within)
    assert not decided(*one)
    assert not decided(*one, "cache_mb=null")
    assert decided(*one, within, "phase=circular")
    assert decided(*one, within, "loss=diffraction")
    assert decided(*with_ltem, beyond)
    assert not decided(*with_ltem, within)


def test_only_where_it_streams_does_the_size_change_a_runs_identity(file):
    whole = run_hash(compose(file))
    assert run_hash(compose(file, "cache_mb=null")) == run_hash(compose(file, "cache_mb=1")) == whole
    streamed = run_hash(compose(file, "cache_mb=0"))
    assert run_hash(compose(file, "cache_mb=0.5")) == streamed != whole


def test_a_set_made_by_its_name_is_kept(command, tmp_path):
    assert command("train", *SMALL_RUN, "recipe.epochs=1", "cache_mb=0")[0] == 0
    assert training(run_of(tmp_path))["streamed"] is False


@pytest.mark.parametrize("value", ["-1", "all", "true"])
def test_an_impossible_size_is_refused(command, file, tmp_path, value):
    words = ("data=file", f"data.file_path={file}", *RUN, f"cache_mb={value}")
    assert "cache_mb must be a number of MB" in refused(command("train", *words), tmp_path)


def test_a_streamed_run_cut_short_goes_on_as_if_it_had_not_been(command, file, tmp_path, monkeypatch, small_blocks):
    words = ("data=file", f"data.file_path={file}", *RUN, "recipe.epochs=4", "cache_mb=0")
    assert command("train", *words, "study=whole")[0] == 0

    def power_cut(self):
        if self.current_epoch == 2:
            raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(PtychoModule, "on_train_epoch_start", power_cut)
        assert command("train", *words, "study=cut")[0] == 1
    assert not threads()
    assert command("train", *words, "study=cut")[0] == 0
    whole, cut = run_of(tmp_path, "whole"), run_of(tmp_path, "cut")
    assert training(cut)["streamed"] is True
    assert rows_of(cut) == rows_of(whole)
    for name, weight in weights_of(whole / "last.ckpt").items():
        assert torch.equal(weight, weights_of(cut / "last.ckpt")[name]), name


def test_the_validation_loss_is_that_of_a_set_in_memory(file, tmp_path, small_blocks):
    losses = []
    for limit in (0, "null"):
        job = prepare(compose(file, f"cache_mb={limit}"), {}, RunFolder(tmp_path), "x")
        job.trainer.validate(job.module, job.data, verbose=False)
        losses.append(job.module.epoch_terms["val_total"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_several_files_and_a_neighbourhood_stream(command, file, tmp_path, small_blocks):
    other = tmp_path / "b.h5"
    words = (*SMALL_SCAN, "data.photons=1e4", "noise=ppn", f"out={other}")
    assert command("simulate", *words)[0] == 0
    run = (f"data=[{file},{other}]", *RUN, "input.neighbours=1", "cache_mb=1", "loss=diffraction", "recipe.epochs=1")
    code, _, err = command("train", *run)
    assert code == 0, err
    folder = run_of(tmp_path)
    assert training(folder)["streamed"] is True
    trained = json.loads((folder / "results.json").read_text())["scans"]["a"]["metrics"]["stitched"]
    code, _, err = command("evaluate", str(folder / "best.ckpt"), "data=file", f"data.file_path={file}", "noise=none")
    assert code == 0, err
    again = json.loads(next(tmp_path.glob("evaluations/*/*/results.json")).read_text())["metrics"]["stitched"]
    assert again == pytest.approx(trained)


def test_a_file_that_breaks_while_it_is_read_ends_the_run_in_one_line(command, file, tmp_path, monkeypatch):
    read, blocks = ScanPart.read, []

    def breaking(self, part):
        blocks.append(part)
        if len(blocks) > 6:
            raise OSError(f"{file}: input/output error")
        return read(self, part)

    monkeypatch.setattr(ScanPart, "read", breaking)
    code, _, err = command("train", "data=file", f"data.file_path={file}", *RUN, "recipe.epochs=50", "cache_mb=0")
    assert (code, err) == (1, f"error: {file}: input/output error\n")
    assert not threads()


def test_a_step_that_fails_leaves_no_thread(command, file, monkeypatch):
    def failing(self, batch, batch_index):
        raise RuntimeError("no more memory")

    monkeypatch.setattr(PtychoModule, "training_step", failing)
    words = ("data=file", f"data.file_path={file}", *RUN, "recipe.batch_size=4", "cache_mb=0")
    code, _, err = command("train", *words)
    assert code == 1
    assert "no more memory" in err
    assert not threads()


def test_a_damaged_file_is_refused_before_it_streams(command, file, tmp_path):
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(file.read_bytes())
    with h5py.File(damaged, "a") as handle:
        handle["phase"][200, 3, 3] = np.nan
    words = ("data=file", f"data.file_path={damaged}", *RUN, "cache_mb=0")
    assert "phase contains 1 NaN" in refused(command("train", *words), tmp_path)
    cut = tmp_path / "cut.h5"
    cut.write_bytes(file.read_bytes()[:200_000])
    words = ("data=file", f"data.file_path={cut}", *RUN, "cache_mb=0")
    assert "cannot be read" in refused(command("train", *words), tmp_path)
