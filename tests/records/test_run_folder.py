"""Run folders and the tables and JSON files in them."""

import json
import math

import pytest

from ptycho_bench.data import atomic
from ptycho_bench.records.lock import RunLock, claimed
from ptycho_bench.records.run_folder import RunFolder, append_rows, write_json, write_table


def test_json_contains_null_for_a_number_that_is_not_finite(tmp_path):
    write_json(tmp_path / "x.json", {"a": math.inf, "b": [math.nan, 1.5], "c": "text"})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": [None, 1.5], "c": "text"}


def test_a_failed_write_keeps_the_old_file_and_leaves_no_partial_file(tmp_path, monkeypatch):
    write_json(tmp_path / "x.json", 1)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(atomic.os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            write_json(tmp_path / "x.json", 2)
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]
    assert json.loads((tmp_path / "x.json").read_text()) == 1


def test_rows_are_appended_and_the_later_row_of_a_repeated_epoch_counts(tmp_path):
    folder = RunFolder(tmp_path)
    for epoch, value in ((0, 1.0), (1, 2.0), (1, 3.0), (2, 4.0)):
        folder.append_row({"epoch": epoch, "val_total": value})
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 5
    assert [row["val_total"] for row in folder.rows()] == [1.0, 3.0, 4.0]


def test_an_incomplete_row_is_ignored_and_the_next_row_starts_on_a_new_line(tmp_path):
    folder = RunFolder(tmp_path)
    folder.append_row({"epoch": 0, "val_total": 1.0})
    with (tmp_path / "metrics.csv").open("a") as handle:
        handle.write("1")
    folder.append_row({"epoch": 1, "val_total": 2.0})
    assert [row["val_total"] for row in folder.rows()] == [1.0, 2.0]


def test_a_run_is_finished_once_its_results_exist(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.open("config: here\n", {"python": "3"})
    assert folder.results() is None
    folder.finish({"value": 1})
    assert folder.results() == {"value": 1}
    (tmp_path / "run" / "results.json").write_text("{")
    with pytest.raises(ValueError, match=r"results.json is not valid JSON .* overwrite=true"):
        folder.results()


def test_the_traceback_of_a_failure_is_written_once_the_folder_is_open(tmp_path):
    RunFolder(tmp_path).fail(ValueError("before the folder was opened"))
    assert not list(tmp_path.iterdir())
    folder = RunFolder(tmp_path)
    folder.open("", {})
    try:
        raise ValueError("the reason")
    except ValueError as error:
        folder.fail(error)
    text = (tmp_path / "error.txt").read_text()
    assert "Traceback" in text
    assert "the reason" in text


def test_the_columns_of_a_table_must_have_the_same_length(tmp_path):
    write_table(tmp_path / "t.csv", {"a": [1, 2], "b": [0.5, math.nan]})
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,0.5\n2,nan\n"
    with pytest.raises(ValueError, match="shorter"):
        write_table(tmp_path / "t.csv", {"a": [1, 2], "b": [0.5]})


def test_appended_rows_follow_the_column_order_of_the_header(tmp_path):
    append_rows(tmp_path / "table.csv", [{"a": 1, "b": 2}])
    append_rows(tmp_path / "table.csv", [{"b": 4, "a": 3}])
    assert (tmp_path / "table.csv").read_text().split() == ["a,b", "1,2", "3,4"]


def test_the_state_follows_the_files_and_the_lock(tmp_path):
    folder = RunFolder(tmp_path / "run")
    assert folder.state() == "missing"
    with claimed(folder.path):
        assert folder.state() == "running"
    folder.open("seed: 0", {})
    (folder.path / "last.ckpt").touch()
    assert folder.state() == "cut"
    folder.fail(ValueError("the reason"))
    assert folder.state() == "failed"
    folder.open("seed: 0", {})
    assert folder.state() == "cut"
    folder.finish({})
    assert folder.state() == "done"


def test_a_failure_that_cannot_be_written_does_not_raise(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.open("seed: 0", {"gpus": []})
    found = json.loads((folder.path / "env.json").read_text())
    assert found == {"command": "ptycho-train", "request": None, "gpus": []}
    folder.clear()
    folder.fail(ValueError("the reason"))


def filled(path, command, *names):
    """Return a folder in which a command has written files."""
    folder = RunFolder(path, command)
    folder.open("seed: 0", {})
    for name in names:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).touch()
    return folder


def test_a_failure_leaves_its_traceback_and_no_part_of_a_result(tmp_path):
    solved = filled(tmp_path / "a", "ptycho-reconstruct", "object.h5", "pictures/object.png", "notes.txt")
    solved.fail(OSError("No space left"))
    assert {file.name for file in solved.path.iterdir()} == {"config.yaml", "env.json", "error.txt", "notes.txt"}
    trained = filled(
        tmp_path / "b", "ptycho-train", "last.ckpt", "best.ckpt", "metrics.csv", "field.npz", "patches.csv"
    )
    trained.fail(KeyboardInterrupt())
    kept = {"config.yaml", "env.json", "last.ckpt", "best.ckpt", "metrics.csv"}
    assert {file.name for file in trained.path.iterdir()} == kept


def test_a_process_that_has_lost_its_folder_changes_nothing_in_it(tmp_path):
    folder = filled(tmp_path / "run", "ptycho-reconstruct", "object.h5")
    RunLock(folder.path).path.write_text(json.dumps({"machine": "another:1", "pid": 1}))
    folder.fail(ValueError("interrupted"))
    RunLock(folder.path).path.unlink()
    folder.finish({})
    folder.fail(ValueError("interrupted"))
    assert {file.name for file in folder.path.iterdir()} == {"config.yaml", "env.json", "object.h5", "results.json"}


def test_metrics_are_not_appended_to_anything_but_a_regular_file(tmp_path):
    (tmp_path / "data.csv").write_text("years")
    (tmp_path / "metrics.csv").symlink_to(tmp_path / "data.csv")
    with pytest.raises(ValueError, match="is a symbolic link"):
        RunFolder(tmp_path).append_row({"epoch": 0})
    assert (tmp_path / "data.csv").read_text() == "years"
