"""What the commands write, and that they neither replace nor delete anything that they did not write."""

import json
import os

import pytest

from ptycho_bench.records.contents import CONFIG, CONTENTS, ENVIRONMENT, RESULTS, result_files
from ptycho_bench.records.lock import RunLock
from ptycho_bench.records.owned import clear
from ptycho_bench.runs import reconstruct as reconstructing
from tests.cli.conftest import SMALL_RUN, SMALL_SCAN, SMALL_TRAINING, error_line, only_run, record

PLAIN = ("pictures=false", "device=cpu")
SOLVE = ("solver=epie", "solver.iterations=1", "frc=false", *PLAIN)


def files_in(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()}


def check_contents(folder, command):
    """Check that a folder contains what the table says that a command writes, all of which can be deleted."""
    known = {RESULTS, CONFIG, ENVIRONMENT, *CONTENTS[command].progress, *result_files(folder, command)}
    assert files_in(folder) <= known
    assert json.loads((folder / ENVIRONMENT).read_text())["command"] == command
    clear(folder, command)
    assert not folder.exists()


def test_every_command_writes_only_files_that_it_deletes_again(command, scan_file, tmp_path):
    assert command("simulate", *SMALL_SCAN, "data.photons=1e4", f"out={tmp_path}/b.h5")[0] == 0
    both, tested = f"data=[{scan_file},{tmp_path}/b.h5]", ("split.test_rows=[10,11]", "split.test_columns=[0,1]")
    code, _, err = command("train", both, *SMALL_TRAINING, *tested, "recipe.epochs=1", "pictures=true")
    assert code == 0, err
    run = only_run(tmp_path)
    assert {"field_scan.npz", "samples_b.npz", "pictures/patches_b.png", "last.ckpt"} <= files_in(run)
    checkpoint, scan = str(run / "best.ckpt"), f"data.file_path={scan_file}"
    assert command("evaluate", checkpoint, "data=file", scan, "device=cpu", f"folder={tmp_path}/e")[0] == 0
    words = ("solver=rpie", "solver.iterations=2", "triplets=true", f"folder={tmp_path}/r")
    assert command("reconstruct", str(scan_file), *words)[0] == 0
    network = ("model=ptychonn", "input=counts", "model.width=4", "model.narrowest=4", "size_px=16", "repeats=1")
    assert command("profile", *network, "batch_sizes=[1]", "device=cpu")[0] == 0
    (profile,) = (tmp_path / "profiles").iterdir()
    check_contents(run, "ptycho-train")
    check_contents(tmp_path / "e", "ptycho-evaluate")
    check_contents(tmp_path / "r", "ptycho-reconstruct")
    check_contents(profile, "ptycho-profile")


def test_an_output_file_that_exists_is_replaced_only_on_request(command, small_run, scan_file, tmp_path):
    commands = {
        "x.h5": ("simulate", *SMALL_SCAN, f"out={tmp_path}/x.h5"),
        "best.onnx": ("export", str(small_run / "best.ckpt")),
        "x.png": ("inspect", str(scan_file), "--out", f"{tmp_path}/x.png"),
    }
    for name, words in commands.items():
        path = small_run / name if name == "best.onnx" else tmp_path / name
        replace = "--overwrite" if words[0] == "inspect" else "overwrite=true"
        path.write_text("years")
        assert f"{path} exists; {replace} replaces it" in error_line(command(*words))
        assert path.read_text() == "years"
        code, _, err = command(*words, replace)
        assert code == 0, err
        assert path.stat().st_size > 1000
        path.unlink()
        os.mkfifo(path)
        assert f"{path} is a pipe, and only regular files are replaced" in error_line(command(*words, replace))
        assert path.is_fifo()


@pytest.mark.parametrize("word", ["overwrite=no", "pictures=no", "out=", "folder="])
def test_truth_values_and_paths_are_not_guessed(command, small_run, scan_file, word):
    takes = {"overwrite": ("simulate", "export", "evaluate", "reconstruct", "import"), "out": ("simulate", "export"),
             "pictures": ("evaluate", "reconstruct"), "folder": ("evaluate", "reconstruct")}  # fmt: skip
    words = {"simulate": SMALL_SCAN, "export": (str(small_run / "best.ckpt"),), "import": (str(scan_file),),
             "evaluate": (str(small_run / "best.ckpt"),), "reconstruct": (str(scan_file), "solver=epie")}  # fmt: skip
    key, _, value = word.partition("=")
    message = f"{key} must be true or false, got '{value}'" if value else f"{key} must not be empty"
    for name in takes[key]:
        assert message in error_line(command(name, *words[name], word))


def test_a_folder_of_other_files_is_neither_emptied_nor_written(command, small_run, scan_file, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    for name in ("config.yaml", "env.json", "thesis.txt"):
        (project / name).write_text("{}")
    folders = {project: "did not write", small_run: "contains a result of ptycho-train"}
    before = {folder: {file: file.read_bytes() for file in folder.rglob("*")} for folder in folders}
    words = {"evaluate": (str(small_run / "best.ckpt"), *PLAIN), "reconstruct": (str(scan_file), *SOLVE)}
    for folder, message in folders.items():
        for name, own in words.items():
            for more in ((), ("overwrite=true",)):
                assert message in error_line(command(name, *own, f"folder={folder}", *more))
        assert {file: file.read_bytes() for file in folder.rglob("*")} == before[folder]
    assert not list(tmp_path.rglob(".*.lock"))


def test_a_finished_result_is_replaced_by_the_same_request_or_on_demand(command, small_run, tmp_path):
    words, folder = (str(small_run / "best.ckpt"), *PLAIN, f"folder={tmp_path}/e"), tmp_path / "e"
    for _ in range(2):
        assert command("evaluate", *words)[0] == 0
    (folder / "notes.txt").write_text("mine")
    line = error_line(command("evaluate", *words, "region=all"))
    assert f"{folder} contains the result of another request; overwrite=true replaces it" in line
    assert record(folder)["region"] == "test"
    assert command("evaluate", *words, "region=all", "overwrite=true")[0] == 0
    assert record(folder)["region"] == "all"
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_reconstruction_that_fails_leaves_its_error_and_no_half_result(command, scan_file, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    def interrupt(*_):
        raise KeyboardInterrupt

    folder, words = tmp_path / "r", (str(scan_file), *SOLVE, f"folder={tmp_path}/r")
    with monkeypatch.context() as patched:
        patched.setattr(reconstructing, "write_cxi", full)
        assert "No space left on device" in error_line(command("reconstruct", *words))
        assert files_in(folder) == {"config.yaml", "env.json", "error.txt"}
        patched.setattr(reconstructing, "write_cxi", interrupt)
        assert command("reconstruct", *words)[0] == 130
        assert files_in(folder) == {"config.yaml", "env.json"}
    assert command("reconstruct", *words)[0] == 0
    assert (folder / "object.cxi").is_file() and not (folder / "error.txt").exists()


def test_a_command_that_loses_a_race_prints_that_it_did_nothing(command, scan_file, tmp_path):
    lock = RunLock(tmp_path / "r")
    lock.path.write_text(json.dumps({"machine": "another:1", "pid": 1}))
    code, out, _ = command("reconstruct", str(scan_file), *SOLVE, f"folder={tmp_path}/r")
    assert code == 0
    assert out.endswith("r is being written by process 1 on another; this command has done nothing\n")
    assert not (tmp_path / "r").exists()


def test_training_again_deletes_the_tests_of_the_network_and_no_other_file(command, small_run):
    checkpoint = str(small_run / "best.ckpt")
    assert command("evaluate", checkpoint, *PLAIN, f"folder={small_run}/tests/all", "region=all")[0] == 0
    (small_run / "tests/mine").mkdir()
    for name in ("thesis.txt", "tests/mine/notes.txt"):
        (small_run / name).write_text("years")
    (small_run / ".last.ckpt.0123abcd-1.partial").touch()
    assert command("train", *SMALL_RUN, "overwrite=true")[0] == 0
    assert not (small_run / "tests/all").exists()
    assert (small_run / "thesis.txt").is_file() and (small_run / "tests/mine/notes.txt").is_file()
    assert not list(small_run.glob(".*"))
