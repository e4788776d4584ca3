import json
import math

import pytest

from ptycho_bench.data import atomic
from ptycho_bench.records.run_folder import RunFolder, append_rows, write_json, write_table


def test_json_holds_null_where_a_number_is_not_finite(tmp_path):
    write_json(tmp_path / "x.json", {"a": math.inf, "b": [math.nan, 1.5], "c": "text"})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": [None, 1.5], "c": "text"}


def test_a_write_that_fails_leaves_the_old_file_and_no_partial_one(tmp_path, monkeypatch):
    write_json(tmp_path / "x.json", 1)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(atomic.os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            write_json(tmp_path / "x.json", 2)
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]
    assert json.loads((tmp_path / "x.json").read_text()) == 1


def test_rows_are_appended_and_of_an_epoch_written_twice_the_later_counts(tmp_path):
    folder = RunFolder(tmp_path)
    for epoch, value in ((0, 1.0), (1, 2.0), (1, 3.0), (2, 4.0)):
        folder.append_row({"epoch": epoch, "val_total": value})
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 5
    assert [row["val_total"] for row in folder.rows()] == [1.0, 3.0, 4.0]


def test_a_row_cut_by_a_full_disk_is_left_out_and_the_next_starts_on_its_own_line(tmp_path):
    folder = RunFolder(tmp_path)
    folder.append_row({"epoch": 0, "val_total": 1.0})
    with (tmp_path / "metrics.csv").open("a") as handle:
        handle.write("1")
    folder.append_row({"epoch": 1, "val_total": 2.0})
    assert [row["val_total"] for row in folder.rows()] == [1.0, 2.0]


def test_a_run_is_finished_once_its_results_are_there(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.open("config: here\n", {"python": "3"})
    assert folder.results() is None
    folder.finish({"value": 1})
    assert folder.results() == {"value": 1}
    (tmp_path / "run" / "results.json").write_text("{")
    with pytest.raises(ValueError, match=r"results.json is no JSON .* overwrite=true"):
        folder.results()


def test_a_failure_is_kept_with_its_traceback_where_there_is_a_folder(tmp_path):
    RunFolder(tmp_path).fail(ValueError("before it opened the folder"))
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


def test_tables_need_columns_of_one_length(tmp_path):
    write_table(tmp_path / "t.csv", {"a": [1, 2], "b": [0.5, math.nan]})
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,0.5\n2,nan\n"
    with pytest.raises(ValueError, match="shorter"):
        write_table(tmp_path / "t.csv", {"a": [1, 2], "b": [0.5]})


def test_a_folder_that_no_run_made_is_not_emptied(tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(ValueError, match="is no run's folder and would be emptied"):
        RunFolder(tmp_path).clear()
    assert (tmp_path / "thesis.tex").is_file()
    folder = RunFolder(tmp_path / "run")
    folder.clear()
    folder.open("seed: 0", {})
    folder.clear()
    assert not folder.path.exists()


def test_rows_follow_the_names_a_table_begins_with(tmp_path):
    append_rows(tmp_path / "table.csv", [{"a": 1, "b": 2}])
    append_rows(tmp_path / "table.csv", [{"b": 4, "a": 3}])
    assert (tmp_path / "table.csv").read_text().split() == ["a,b", "1,2", "3,4"]
