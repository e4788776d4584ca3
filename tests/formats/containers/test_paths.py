"""Checks of files and keys that a user names."""

import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.paths import (
    expand,
    joined_names,
    natural_key,
    report_damage,
    require_file,
    single_line_message,
    suffix_of,
    suggest_keys,
)


def test_numbers_in_names_are_sorted_by_value():
    names = ["b_1", "frame_10.tif", "frame_2.tif", "2", "frame.tif"]
    assert sorted(names, key=natural_key) == ["2", "b_1", "frame.tif", "frame_2.tif", "frame_10.tif"]


def test_a_file_must_exist_and_must_not_be_empty_or_a_folder(tmp_path):
    file = tmp_path / "scan.h5"
    with pytest.raises(DataError, match=r"no file .*scan\.h5; check the path"):
        require_file(file)
    file.touch()
    with pytest.raises(DataError, match=r"scan\.h5 is empty \(0 bytes\)"):
        require_file(file)
    file.write_bytes(b"1")
    assert require_file(str(file)) == file
    with pytest.raises(DataError, match="is a folder; name the files in it"):
        require_file(tmp_path)


def test_patterns_are_replaced_by_their_files_in_natural_order(tmp_path):
    for number in (1, 2, 10):
        (tmp_path / f"frame_{number}.tif").touch()
    named = str(tmp_path / "absent.csv")  # without a pattern it is kept, and reported when it is read
    frames = [str(tmp_path / f"frame_{number}.tif") for number in (1, 2, 10)]
    assert expand([named, str(tmp_path / "frame_*.tif")]) == [named, *frames]
    with pytest.raises(DataError, match=r"no file matches .*_x"):
        expand([str(tmp_path / "*_x")])


def test_a_file_whose_name_looks_like_a_pattern_is_taken_literally(tmp_path):
    (tmp_path / "scan[1].h5").touch()
    (tmp_path / "scan1.h5").touch()
    assert expand([str(tmp_path / "scan[1].h5")]) == [str(tmp_path / "scan[1].h5")]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a/Scan.H5", ".h5"), ("s.npz.bz2", ".npz.bz2"), ("s.bz2", ".bz2"), ("v1.2.npz", ".npz"), ("s", "")],
)
def test_the_suffix_of_a_bz2_file_includes_what_it_contains(name, suffix):
    assert suffix_of(name) == suffix


def test_a_message_names_at_most_four_files():
    assert joined_names(["a", "b"]) == "a + b"
    assert joined_names(list("abcdef")) == "a + b + c + d and 2 more"


def test_a_hint_names_similar_keys_or_else_the_first_ones():
    assert suggest_keys("entry/dta", ["mask", "entry/data"]) == "nearest: entry/data"
    assert suggest_keys("raw/patterns", ["scan/01/processed/patterns"]) == "nearest: scan/01/processed/patterns"
    assert suggest_keys("zzz", [f"key_{number}" for number in range(9)]).startswith("it has key_0, key_1")
    assert suggest_keys("zzz", []) == "it has nothing"


def test_any_error_of_a_reader_becomes_one_line_that_names_the_file(tmp_path):
    path = tmp_path / "scan.h5"
    message = r"^\S*scan\.h5 cannot be read \(bad block\); it is truncated"
    with pytest.raises(DataError, match=message) as error, report_damage(path):
        raise OSError("bad\n  block")
    assert isinstance(error.value.__cause__, OSError)
    with pytest.raises(DataError, match=r"^mask missing$"), report_damage(path):
        raise DataError("mask missing")
    assert single_line_message(KeyError()) == "KeyError"
