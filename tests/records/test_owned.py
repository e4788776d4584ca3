"""A command deletes the files that it has written, and no others."""

import json

import pytest

from ptycho_bench.data.owner import host_tag
from ptycho_bench.records.contents import CONTENTS, command_of, result_files
from ptycho_bench.records.owned import check_owner, clear
from ptycho_bench.records.run_folder import RunFolder

TRAIN, EVALUATE = "ptycho-train", "ptycho-evaluate"
OLD = {"packages": {"ptycho-bench": "0.1.0"}}  # env.json of releases that did not record the command


def fill(folder, command, *names):
    """Write the record of a command and further files into a folder."""
    RunFolder(folder, command).open("seed: 0", {})
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text")
    return folder


def names_in(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()}


@pytest.mark.parametrize("command", CONTENTS)
def test_everything_that_a_command_writes_is_deleted_with_its_folder(tmp_path, command):
    folder = fill(tmp_path / "run", command, "results.json", "error.txt")
    for name in (*result_files(folder, command), *CONTENTS[command].progress):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    clear(folder, command)
    assert not folder.exists()


def test_other_files_stay_and_the_folder_still_belongs_to_the_command(tmp_path):
    other = ("thesis.txt", "best.onnx", "field_mine.npz", "pictures/mine.png", "wandb/log.txt", ".hidden")
    folder = fill(tmp_path / "run", TRAIN, "results.json", "last.ckpt", "field.npz", "pictures/field.png", *other)
    clear(folder, TRAIN)
    assert names_in(folder) == {*other, "env.json"}
    clear(folder, TRAIN)
    assert names_in(folder) == {*other, "env.json"}


def test_files_of_each_scan_are_deleted_by_the_names_of_the_scans(tmp_path):
    parts = ("field_a.npz", "samples_a.npz", "pictures/field_b c.png")
    folder = fill(tmp_path / "run", TRAIN, *parts, "field_mine.npz")
    (tmp_path / "x.npz").touch()
    (folder / "field_..").mkdir()
    (folder / "patches.csv").write_text("scan,point\na,1\nb c,2\n/../../x,3\n")
    clear(folder, TRAIN)
    assert names_in(folder) == {"field_mine.npz", "env.json"}
    assert (tmp_path / "x.npz").is_file()


@pytest.mark.parametrize(
    ("names", "content", "message"),
    [
        (("thesis.txt",), None, "contains files that ptycho-evaluate did not write"),
        (("config.yaml",), None, "contains files that ptycho-evaluate did not write"),
        (("thesis.txt", "env.json"), "{}", "contains files that ptycho-evaluate did not write"),
        (("env.json",), "[", "contains files that ptycho-evaluate did not write"),
        (("env.json",), json.dumps(OLD), "contains files that ptycho-evaluate did not write"),
        (
            ("best.ckpt", "env.json"),
            json.dumps({"command": TRAIN}),
            "contains a result of ptycho-train, not of ptycho-ev",
        ),
    ],
)
def test_a_folder_without_a_record_of_this_command_is_refused(tmp_path, names, content, message):
    for name in names:
        (tmp_path / name).write_text(content or "text")
    with pytest.raises(ValueError, match=message):
        clear(tmp_path, EVALUATE)
    with pytest.raises(ValueError, match=message):
        RunFolder(tmp_path, EVALUATE).open("", {})
    assert names_in(tmp_path) == set(names)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file and cannot be the folder of a result"):
        check_owner(tmp_path / "file", TRAIN)


@pytest.mark.parametrize(
    ("place", "command"),
    [
        ("runs/study/run", TRAIN), ("evaluations/run/data", EVALUATE), ("runs/study/run/tests/a", EVALUATE),
        ("reconstructions/scan/epie", "ptycho-reconstruct"), ("solved/study/a", "ptycho-reconstruct"),
        ("profiles/ppn", "ptycho-profile"), ("elsewhere/run", None),
    ],
)  # fmt: skip
def test_the_place_of_an_older_record_tells_its_command(tmp_path, place, command):
    folder = tmp_path / place
    folder.mkdir(parents=True)
    (folder / "env.json").write_text(json.dumps(OLD))
    assert command_of(folder) == command


def test_symbolic_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("field.png", "results.json", "env.json"):
        (outside / name).write_text(json.dumps({"command": EVALUATE}))
    folder = fill(tmp_path / "run", TRAIN)
    (folder / "pictures").symlink_to(outside)
    (folder / "last.ckpt").symlink_to(outside / "field.png")
    (folder / "tests").mkdir()
    (folder / "tests/a").symlink_to(outside)
    clear(folder, TRAIN)
    assert names_in(outside) == {"field.png", "results.json", "env.json"}
    assert (folder / "last.ckpt").is_symlink() and (folder / "tests/a").is_symlink()


def test_tests_of_a_network_are_deleted_with_its_run_but_nothing_else_below_it(tmp_path):
    folder = fill(tmp_path / "run", TRAIN, "last.ckpt", "tests/mine/notes.txt")
    fill(folder / "tests/noisy", EVALUATE, "results.json", "patches.csv")
    fill(folder / "tests/solved", "ptycho-reconstruct", "results.json")
    clear(folder, TRAIN)
    kept = {"tests/mine/notes.txt", *(f"tests/solved/{name}" for name in ("results.json", "env.json", "config.yaml"))}
    assert names_in(folder) == {*kept, "env.json"}


def test_temporary_files_do_not_make_a_folder_foreign_and_are_removed_when_it_is_opened(tmp_path):
    left = (".env.json.0123abcd-7.partial", ".last.ckpt.0123abcd-7.partial")  # of another machine
    of_another_command = (".best.onnx.0123abcd-7.partial", f".notes.{host_tag()}x.partial")
    for name in left:
        (tmp_path / name).touch()
    check_owner(tmp_path, TRAIN)
    fill(tmp_path, TRAIN, *of_another_command)
    assert names_in(tmp_path) == {"env.json", "config.yaml", *of_another_command}
