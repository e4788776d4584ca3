"""ptycho-profile: what a network costs, recorded in a folder of its own."""

import json

import pytest

from tests.cli.conftest import error_line

SMALL = (
    "model=ptychonn",
    "input=counts",
    "model.width=4",
    "model.narrowest=4",
    "size_px=16",
    "repeats=2",
    "device=cpu",
)


def test_a_profile_is_recorded_in_a_folder_that_depends_on_the_network(command, tmp_path):
    for words in ((), ("model.width=6",), ()):
        code, out, err = command("profile", *SMALL, "batch_sizes=[1,4]", *words)
        assert code == 0, err
    folders = sorted((tmp_path / "profiles").glob("ptychonn-counts-scaled-16-cpu-*"))
    assert len(folders) == 2 and any(out.splitlines()[-1] == f"-> {folder}" for folder in folders)
    for folder in folders:
        assert {file.name for file in folder.iterdir()} == {"config.yaml", "env.json", "results.json"}
    records = [json.loads((folder / "results.json").read_text()) for folder in folders]
    assert {record["key"] for record in records} == {"ptychonn-counts-scaled-16-cpu"}
    assert records[0]["parameters"] != records[1]["parameters"]
    for record in records:
        assert [batch["batch_size"] for batch in record["batches"]] == [1, 4]
        assert record["milliseconds"] == record["batches"][0]["milliseconds"] > 0
        assert record["gflops"] > 0 and record["parameters_mib"] == record["stored_numbers"] * 4 / 2**20


def test_a_profile_that_fails_leaves_its_error_and_no_record(command, tmp_path):
    assert "batch_sizes must rise from 1" in error_line(command("profile", *SMALL, "batch_sizes=[4,1]"))
    (folder,) = (tmp_path / "profiles").glob("ptychonn-*")
    assert {file.name for file in folder.iterdir()} == {"config.yaml", "env.json", "error.txt"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("repeats=0",), "repeats must lie in [1, 10000], got 0"),
        (("size_px=20",), "PtychoNN needs patterns whose side is divisible by 8"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(command, words, message):
    assert message in error_line(command("profile", *SMALL, *words))
