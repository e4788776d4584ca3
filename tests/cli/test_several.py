"""Several scans train as one set, are reported separately and together, and are resumed after an interruption."""

import csv
import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_bench.config.checkpoint import load_network, read_checkpoint
from ptycho_bench.data.store import read_scan, write_scan
from ptycho_bench.training.module import PtychoModule
from tests.cli.conftest import (
    SMALL_SCAN,
    SMALL_TRAINING,
    error_line,
    only_run,
    record,
    rows_of,
    run_command,
    weights_of,
)

RUN = (*SMALL_TRAINING, "recipe.epochs=1")
OTHER = ("data=ltem_wrapped", "data.probe.defocus_waves=0.5", "data.photons=1e4", "noise=ppn", "noise.coherence=0.8")


@pytest.fixture(scope="module")
def files(tmp_path_factory, scan_file) -> tuple[Path, Path]:
    """Two files of scans that differ in object, probe, dose and coherence, in a folder with a note; read them only."""
    folder = tmp_path_factory.mktemp("scans")
    paths = folder / "a.h5", folder / "b.h5"
    shutil.copy(scan_file, paths[0])
    code, _, err = run_command("simulate", *SMALL_SCAN, *OTHER, f"out={paths[1]}")
    assert code == 0, err
    (folder / "note.txt").write_text("no scan")
    return paths


def both(files: tuple[Path, Path]) -> str:
    """Return the word that names two files."""
    return f"data=[{files[0]},{files[1]}]"


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory) -> Callable[[str], tuple[Path, str]]:
    """trained(scaling) -> folder of a finished run on both files, and what it printed; read it only."""
    finished = {}

    def train(scaling: str) -> tuple[Path, str]:
        if scaling not in finished:
            outputs = tmp_path_factory.mktemp(scaling)
            words = (both(files), *RUN, f"scaling={scaling}", "input=log1p_standardised", f"outputs_dir={outputs}")
            code, out, err = run_command("train", *words)
            assert code == 0, err
            finished[scaling] = only_run(outputs), out
        return finished[scaling]

    return train


def test_two_scans_are_reported_separately_and_together(trained, files):
    folder, out = trained("joint")
    results = record(folder)
    assert list(results["scans"]) == ["a", "b"]
    assert len(rows_of(folder)) == 1
    for file, separate in zip(files, results["scans"].values(), strict=True):
        assert separate["data"]["content_hash"] == read_scan(file).content_hash
        assert separate["split"]["test"] == separate["inference"]["patterns"] == 30
    assert results["split"]["train"] == sum(separate["split"]["train"] for separate in results["scans"].values())
    assert results["data"]["patterns"] == 450
    with (folder / "patches.csv").open() as handle:
        patches = list(csv.DictReader(handle))
    assert [row["scan"] for row in patches] == ["a"] * 30 + ["b"] * 30
    for name in ("amplitude_psnr_db", "phase_ssim"):
        values = np.array([float(row[name]) for row in patches])
        together, separate = results["metrics"], [one["metrics"] for one in results["scans"].values()]
        assert together["patch_mean"][name] == pytest.approx(values.mean(), rel=1e-5)
        assert together["patch_std"][name] == pytest.approx(values.std(), rel=1e-5)
        assert [one["patch_mean"][name] for one in separate] == pytest.approx([values[:30].mean(), values[30:].mean()])
        assert together["stitched"][name] == pytest.approx(np.mean([one["stitched"][name] for one in separate]))
    assert {file.name for file in folder.glob("*.npz")} == {
        f"{what}_{name}.npz" for what in ("field", "samples") for name in "ab"
    }
    assert "stitched: mean over the scans' fields" in " ".join(out.split())


def test_the_record_of_one_scan_mentions_no_others(small_run):
    results = record(small_run)
    assert "scans" not in results
    assert results["data"]["name"] == "ltem"
    assert "scan" not in (small_run / "patches.csv").read_text().splitlines()[0].split(",")
    description = read_checkpoint(small_run / "best.ckpt")["ptycho_bench"]
    assert "own_scaling" not in description
    (tested,) = description["test"]
    assert tested["name"] == "ltem" and tested["points"]


@pytest.mark.parametrize("scaling", ["joint", "own"])
def test_evaluating_a_scan_gives_what_the_run_recorded_of_it(command, trained, files, tmp_path, scaling):
    folder, _ = trained(scaling)
    scans = record(folder)["scans"]
    for name, file in zip("ab", files, strict=True):
        words = ("data=file", f"data.file_path={file}", "pictures=false", f"folder={tmp_path / name}")
        code, out, err = command("evaluate", str(folder / "best.ckpt"), *words)
        assert code == 0, err
        assert "note: " not in out
        for part in ("patch_mean", "stitched"):
            assert record(tmp_path / name)["metrics"][part] == pytest.approx(scans[name]["metrics"][part], rel=1e-5)


def test_each_scan_is_scaled_by_its_own_range_or_by_the_joint_one(trained, files):
    scans = [read_scan(file) for file in files]
    hashes = [*(scan.content_hash for scan in scans), "another scan"]
    phase = [scan.phase[scan.scan_index[:, 0] < 10] for scan in scans]
    spans = {}
    for scaling in ("joint", "own"):
        checkpoint = trained(scaling)[0] / "best.ckpt"
        spans[scaling] = [load_network(checkpoint, content_hash).scaling.phase_span for content_hash in hashes]
    whole = max(part.max() for part in phase) - min(part.min() for part in phase)
    assert spans["joint"] == pytest.approx([whole] * 3, rel=0.02)  # some points of these rows are for validation
    assert spans["own"] == pytest.approx([*(part.max() - part.min() for part in phase), whole], rel=0.02)


def test_a_checkpoint_of_several_scans_needs_one_to_be_named(command, trained, files, tmp_path):
    checkpoint = str(trained("joint")[0] / "best.ckpt")
    third = tmp_path / "third.h5"
    assert command("simulate", *SMALL_SCAN, "data.seed=4", f"out={third}")[0] == 0
    named = " or ".join(f"data=file data.file_path={file}" for file in files)
    cases = {
        (): f"which a checkpoint does not choose; add the one to be scored: {named}",
        (both(files),): "this command takes 1 scan, data=several names 2 (a, b)",
        (
            "data=file",
            f"data.file_path={third}",
        ): "this scan is none of the 2 that were tested, a, b, so it has",
    }
    for words, message in cases.items():
        assert message in error_line(command("evaluate", checkpoint, *words))
    assert not (tmp_path / "evaluations").exists()
    words = ("data=file", f"data.file_path={third}", "region=all", "pictures=false")
    assert command("evaluate", checkpoint, *words)[0] == 0


def test_an_interrupted_run_on_several_scans_ends_like_an_undisturbed_one(command, files, tmp_path, monkeypatch):
    words = (both(files), *RUN, "loss=diffraction", "loss.refine_probe=true", "recipe.epochs=2", "scaling=own")
    assert command("train", *words, "study=whole")[0] == 0

    def power_cut(self):
        if self.current_epoch == 1:
            raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(PtychoModule, "on_train_epoch_start", power_cut)
        assert command("train", *words, "study=cut")[0] == 1
    assert command("train", *words, "study=cut")[0] == 0
    whole, cut = (only_run(tmp_path, study) for study in ("whole", "cut"))
    assert whole.name == cut.name
    assert rows_of(cut) == rows_of(whole)
    weights = weights_of(whole / "last.ckpt")
    assert {"loss.of_scan.0.correction", "loss.of_scan.1.correction"} <= set(weights)
    assert all(torch.equal(weight, weights_of(cut / "last.ckpt")[name]) for name, weight in weights.items())


def test_a_folder_is_the_list_of_its_files(command, trained, files):
    outputs = trained("joint")[0].parents[2]
    words = ("data=folder", f"data.folder_path={files[0].parent}", *RUN, "input=log1p_standardised")
    code, out, err = command("train", *words, f"outputs_dir={outputs}")
    assert code == 0, err
    assert out.startswith(f"skip: {trained('joint')[0]} is finished")


def test_a_sweep_takes_several_lists(command, files, tmp_path):
    code, _, err = command("train", "-m", f"{both(files)},[{files[1]}]", *RUN)
    assert code == 0, err
    patterns = sorted(record(folder)["data"]["patterns"] for folder in (tmp_path / "runs" / "default").iterdir())
    assert patterns == [225, 450]


REFUSED = {
    "data=[{A},{COPY}]": "copy.h5 is the same scan as data=file data.file_path=",
    "data=[{A},ltme]": "no data named 'ltme', did you mean 'ltem'?",
    "data=[{A},{HELD}]": "held.h5 is held out: it is never trained on",
    "data=[{A},{BARE}]": "bare.h5: this scan has patterns but neither amplitude nor phase to train on",
    "data=[{A},{DARK}] loss=diffraction": "dark: this scan has no probe",
    "data=[{A},{B}] data.photons=1e4": "data.photons=1e4 does not say which of several scans it is for; write that",
    "data=[{A},{B}] split.train_rows=[0,99]": "a.h5: split.train_rows [0, 99) does not fit the scan's 15 rows",
    "data=folder data.folder_path=nowhere": "no folder nowhere; check data.folder_path",
}


@pytest.mark.parametrize(("words", "message"), REFUSED.items())
def test_scans_that_cannot_train_together_are_refused_in_one_line(command, files, tmp_path, words, message):
    places = {"A": files[0], "B": files[1]}
    places |= {name: tmp_path / f"{name.lower()}.h5" for name in ("COPY", "HELD", "BARE", "DARK")}
    shutil.copy(files[0], places["COPY"])
    scan = read_scan(files[1])
    write_scan(places["BARE"], dataclasses.replace(scan, amplitude=None, phase=None))
    write_scan(places["DARK"], dataclasses.replace(scan, probe=None))
    write_scan(places["HELD"], dataclasses.replace(scan, info=dataclasses.replace(scan.info, held_out=True)))
    assert message in error_line(command("train", *RUN, *words.format(**places).split()))
    assert not (tmp_path / "data").exists()
    assert not list(tmp_path.glob("runs/*/*"))


def test_a_scan_without_a_probe_trains_if_no_pattern_is_predicted(command, files, tmp_path):
    path = tmp_path / "dark.h5"
    write_scan(path, dataclasses.replace(read_scan(files[1]), probe=None))
    code, _, err = command("train", f"data=[{files[0]},{path}]", *RUN)
    assert code == 0, err
