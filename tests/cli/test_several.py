"""Several scans train as one set, are reported apart and together, and go on after a cut."""

import csv
import dataclasses
import json
import shutil
import sys
from pathlib import Path

import h5py
import hydra
import numpy as np
import pytest
import torch
from ptycho_bench.config.scans import scan_choices

from ptycho_bench.cli import simulate
from ptycho_bench.config.checkpoint import load_network, read_checkpoint
from ptycho_bench.config.datasets import cached_path
from ptycho_bench.config.identity import data_hash, scan_hash, sha256
from ptycho_bench.data.store import read_scan, write_scan
from ptycho_bench.training.module import PtychoModule
from tests.cli.conftest import SMALL_RUN, SMALL_SCAN
from tests.cli.test_bad_input import refused
from tests.cli.test_train import rows_of, weights_of

RUN = tuple(word for word in SMALL_RUN if not word.startswith("data."))
OTHER = ("data=ltem_wrapped", "data.probe.defocus_waves=0.5", "data.photons=1e4", "noise=ppn", "noise.coherence=0.8")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    """Two files of scans that differ in object, probe, dose and coherence, in a folder with a note; read them only."""
    folder = tmp_path_factory.mktemp("scans")
    paths = folder / "a.h5", folder / "b.h5"
    for path, words in zip(paths, ((), OTHER), strict=True):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sys, "argv", ["ptycho-simulate", *SMALL_SCAN, *words, f"out={path}"])
            simulate.main()
    (folder / "note.txt").write_text("no scan")
    return paths


def both(files: tuple[Path, Path]) -> str:
    return f"data=[{files[0]},{files[1]}]"


def only_run(tmp_path: Path, study: str = "default") -> Path:
    (folder,) = (tmp_path / "runs" / study).iterdir()
    return folder


def record(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def test_two_scans_are_reported_apart_and_together(command, files, tmp_path):
    code, out, err = command("train", both(files), *RUN, "pictures=true")
    assert code == 0, err
    folder = only_run(tmp_path)
    results = record(folder)
    assert list(results["scans"]) == ["a", "b"]
    assert len(rows_of(folder)) == 2
    for file, apart in zip(files, results["scans"].values(), strict=True):
        assert apart["data"]["content_hash"] == read_scan(file).content_hash
        assert apart["split"]["test"] == apart["inference"]["patterns"] == 30
    assert results["split"]["train"] == sum(apart["split"]["train"] for apart in results["scans"].values())
    assert results["data"]["patterns"] == 450
    with (folder / "patches.csv").open() as handle:
        patches = list(csv.DictReader(handle))
    assert [row["scan"] for row in patches] == ["a"] * 30 + ["b"] * 30
    for name in ("amplitude_psnr_db", "phase_ssim"):
        values = np.array([float(row[name]) for row in patches])
        together, apart = results["metrics"], [one["metrics"] for one in results["scans"].values()]
        assert together["patch_mean"][name] == pytest.approx(values.mean(), rel=1e-5)
        assert together["patch_std"][name] == pytest.approx(values.std(), rel=1e-5)
        assert [one["patch_mean"][name] for one in apart] == pytest.approx([values[:30].mean(), values[30:].mean()])
        assert together["stitched"][name] == pytest.approx(np.mean([one["stitched"][name] for one in apart]))
    pictures = {"field_a.png", "field_b.png", "patches_a.png", "patches_b.png", "losses.png"}
    assert {file.name for file in (folder / "pictures").iterdir()} == pictures
    assert {file.name for file in folder.glob("*.npz")} == {
        f"{what}_{name}.npz" for what in ("field", "samples") for name in "ab"
    }
    assert "stitched: mean over the scans' fields" in " ".join(out.split())


def test_the_record_of_one_scan_says_nothing_of_several(small_run):
    results = record(small_run)
    assert "scans" not in results
    assert results["data"]["name"] == "ltem"
    assert "scan" not in (small_run / "patches.csv").read_text().splitlines()[0].split(",")
    description = read_checkpoint(small_run / "best.ckpt")["ptycho_bench"]
    assert "own_scaling" not in description
    assert description["test"]["points"]


@pytest.mark.parametrize("scaling", ["joint", "own"])
def test_evaluating_a_scan_gives_what_the_run_recorded_of_it(command, files, tmp_path, scaling):
    assert command("train", both(files), *RUN, f"scaling={scaling}", "input=log1p_standardised")[0] == 0
    folder = only_run(tmp_path)
    trained = record(folder)["scans"]
    for name, file in zip("ab", files, strict=True):
        words = ("data=file", f"data.file_path={file}", "pictures=false", f"outputs_dir={tmp_path / name}")
        assert command("evaluate", str(folder / "best.ckpt"), *words)[0] == 0
        (evaluated,) = (record(path.parent) for path in (tmp_path / name).glob("evaluations/*/*/results.json"))
        for part in ("patch_mean", "stitched"):
            assert evaluated["metrics"][part] == pytest.approx(trained[name]["metrics"][part], rel=1e-5)


def test_a_checkpoint_of_several_scans_asks_which_one_is_meant(command, files, tmp_path):
    assert command("train", both(files), *RUN, "recipe.epochs=1")[0] == 0
    checkpoint = str(only_run(tmp_path) / "best.ckpt")
    anew = tmp_path / "anew.h5"
    assert command("simulate", *SMALL_SCAN, "data.seed=4", f"out={anew}")[0] == 0
    cases = {
        (): f"was trained on 2 scans and 1 is scored at a time; add one of: data=file data.file_path={files[0]}, ",
        (both(files),): "this command takes 1 scan, data=several names 2 (a, b)",
        ("data=file", f"data.file_path={anew}"): "this scan is none of the 2 that were tested, a, b, so it has no test",
    }
    for words, message in cases.items():
        code, _, err = command("evaluate", checkpoint, *words)
        assert (code, err.count("\n")) == (1, 1), err
        assert message in err
    assert not (tmp_path / "evaluations").exists()
    words = ("data=file", f"data.file_path={anew}", "region=all", "pictures=false")
    assert command("evaluate", checkpoint, *words)[0] == 0


def test_each_scan_is_scaled_by_its_own_range_or_by_the_joint_one(command, files, tmp_path):
    for scaling in ("joint", "own"):
        words = (f"scaling={scaling}", "recipe.epochs=1", f"study={scaling}")
        assert command("train", both(files), *RUN, *words)[0] == 0
    scans = [read_scan(file) for file in files]
    phase = [scan.phase[scan.scan_index[:, 0] < 10] for scan in scans]
    spans = {}
    for study in ("joint", "own"):
        checkpoint = only_run(tmp_path, study) / "best.ckpt"
        networks = [
            load_network(checkpoint, content_hash) for content_hash in (*(s.content_hash for s in scans), "new")
        ]
        spans[study] = [network.scaling.phase_span for network in networks]
    whole = max(part.max() for part in phase) - min(part.min() for part in phase)
    assert spans["joint"] == pytest.approx([whole] * 3, rel=0.02)  # some rows' points are for validation
    assert spans["own"] == pytest.approx([*(part.max() - part.min() for part in phase), whole], rel=0.02)


def test_a_run_on_several_scans_cut_short_goes_on_as_if_it_had_not_been(command, files, tmp_path, monkeypatch):
    words = (both(files), *RUN, "loss=diffraction", "loss.refine_probe=true", "recipe.epochs=3", "scaling=own")
    assert command("train", *words, "study=whole")[0] == 0

    def power_cut(self):
        if self.current_epoch == 2:
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


def test_a_folder_is_the_list_of_its_files_and_one_file_is_one_scan(command, files, tmp_path):
    assert command("train", both(files), *RUN, "recipe.epochs=1", "study=two")[0] == 0
    in_folder = ("data=folder", f"data.folder_path={files[0].parent}")
    assert command("train", *in_folder, *RUN, "recipe.epochs=1", "study=two")[1].startswith("skip: ")
    assert command("train", f"data=[{files[1]},{files[0]}]", *RUN, "recipe.epochs=1", "study=turned")[0] == 0
    assert only_run(tmp_path, "turned").name != only_run(tmp_path, "two").name
    assert command("train", "data=file", f"data.file_path={files[0]}", *RUN, "recipe.epochs=1", "study=one")[0] == 0
    listed = (f"data=[{files[0]}]", "scaling=own")
    assert command("train", *listed, *RUN, "recipe.epochs=1", "study=one")[1].startswith("skip: ")


def test_a_sweep_takes_several_lists(command, files, tmp_path):
    words = (f"{both(files)},[{files[1]}]", *RUN, "recipe.epochs=1")
    code, _, err = command("train", "-m", *words)
    assert code == 0, err
    patterns = sorted(record(folder)["data"]["patterns"] for folder in (tmp_path / "runs" / "default").iterdir())
    assert patterns == [225, 450]


def test_names_of_conf_data_are_the_same_data_as_alone():
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        words = ("noise=ppn", "noise.efficiency=0.3", "outputs_dir=elsewhere")
        alone = [hydra.compose("config", [f"data={name}", *words]) for name in ("ltem", "ltem_wrapped")]
        several = hydra.compose("config", ["data=several", "data.scans=[ltem,ltem_wrapped]", *words])
        choices = scan_choices(several)
        assert [choice.name for choice in choices] == ["ltem", "ltem_wrapped"]
        assert [scan_hash(choice.cfg) for choice in choices] == [data_hash(cfg) for cfg in alone]
        assert [cached_path(choice.cfg) for choice in choices] == [cached_path(cfg) for cfg in alone]
        assert data_hash(several) == sha256([data_hash(cfg) for cfg in alone])


REFUSED = {
    "data=[{A},{A}]": "is the same scan as data=file data.file_path=",
    "data=[{A},{COPY}]": "copy.h5 is the same scan as data=file data.file_path=",
    "data=[{A},missing.h5]": "no file missing.h5",
    "data=[{A},scan.cxi]": "'scan.cxi' is neither a name in conf/data nor an HDF5 file (.h5); ptycho-import makes",
    "data=[{A},ltme]": "no data named 'ltme', did you mean 'ltem'?",
    "data=[{A},ltem]": "a.h5 has patterns of 16 px, data=ltem of 32 px; scans that train together need 1 side",
    "data=[{A},curved]": "data=curved is held out: it is never trained on",
    "data=[{A},{HELD}]": "held.h5 is held out: it is never trained on",
    "data=[{A},{BARE}]": "bare.h5: this scan has patterns, but neither amplitude nor phase to learn from",
    "data=[{A},{DARK}] loss=diffraction": "dark: this scan has no probe",
    "data=[{A},file]": "data=file is no scan of its own; name HDF5 files by their path",
    "data=[{A},own_object]": "data=own_object has no value for data.obj.object_path; write it with ptycho-simulate",
    "data=[{A},{B}] data.photons=1e4": "data.photons=1e4 does not say which of several scans it is for; write that",
    "data=[{A},{B}] split.train_rows=[0,99]": "a.h5: split.train_rows [0, 99) does not fit the scan's 15 rows",
    "data=[{A},{B}] scaling=each": "scaling must be joint or own, got 'each'",
    "data=[{A},{B}],ltem": "cannot read 'data=[",
    "data=[]": "data.scans must be a list of at least 1 scan, got []",
    "data=several data.scans=ltem": "data.scans must be a list of at least 1 scan, got 'ltem'",
    "data=folder data.folder_path=nowhere": "no folder nowhere; mend data.folder_path",
    "data=folder data.folder_path={EMPTY}": "of 1 .h5 files none is this project's own; ptycho-import makes them",
    "data=folder data.folder_path={TORN}": "torn.h5 cannot be read as HDF5",
}


@pytest.mark.parametrize(("words", "message"), REFUSED.items())
def test_what_cannot_train_together_is_refused_in_one_line(command, files, tmp_path, words, message):
    places = {"A": files[0], "B": files[1]}
    places |= {name: tmp_path / f"{name.lower()}.h5" for name in ("COPY", "HELD", "BARE", "DARK")}
    shutil.copy(files[0], places["COPY"])
    scan = read_scan(files[1])
    write_scan(places["BARE"], dataclasses.replace(scan, amplitude=None, phase=None))
    write_scan(places["DARK"], dataclasses.replace(scan, probe=None))
    if "HELD" in words:
        assert command("simulate", *SMALL_SCAN, "data=curved", f"out={places['HELD']}")[0] == 0
    for name in ("EMPTY", "TORN"):
        places[name] = tmp_path / name.lower()
        places[name].mkdir()
    h5py.File(places["EMPTY"] / "foreign.h5", "w").close()
    (places["TORN"] / "torn.h5").write_bytes(files[0].read_bytes()[:3000])
    assert message in refused(command("train", *RUN, *words.format(**places).split()), tmp_path)
    assert not (tmp_path / "data").exists()


def test_a_scan_without_a_probe_trains_where_no_pattern_is_predicted(command, files, tmp_path):
    path = tmp_path / "dark.h5"
    write_scan(path, dataclasses.replace(read_scan(files[1]), probe=None))
    assert command("train", f"data=[{files[0]},{path}]", *RUN, "recipe.epochs=1")[0] == 0
    assert command("train", f"data=[{path}]", *RUN, "recipe.epochs=1")[0] == 0
