"""Durations are estimated from runs of the same kind."""

import json

import pytest

from ptycho_bench.benchmark.durations import Duration, Estimate, TimeLimit, format_duration
from ptycho_bench.benchmark.jobs import Job

KIND = ("w3", "ltem", "ppn", "cpr")


def write_record(folder, seconds, *, model="w3", epochs=10, rest=5.0):
    """Write the record of a training whose epochs took so many seconds, and the rest of its command 5 more."""
    folder.mkdir(parents=True)
    choices = {"model": model, "split": "ppn", "recipe": "cpr"}
    training = {"epochs": epochs, "seconds": seconds, "seconds_whole_command": seconds + rest}
    record = {"choices": choices, "data": {"name": "ltem"}, "training": training}
    (folder / "results.json").write_text(json.dumps(record))


def job(folder, *, kind=KIND, epochs=10):
    return Job(name=folder.name, folder=folder, commands=(), after=None, epochs=epochs, kind=kind)


@pytest.fixture
def estimate(tmp_path):
    for number, seconds in enumerate((10.0, 20.0, 300.0)):
        write_record(tmp_path / f"runs/study/{number}", seconds)
    for name, text in {"torn": "{", "list": "[]", "other": '{"choices": {}}'}.items():
        (tmp_path / f"runs/study/{name}").mkdir()
        (tmp_path / f"runs/study/{name}/results.json").write_text(text)
    return Estimate.read(str(tmp_path))


def test_a_job_takes_the_median_of_the_whole_commands_of_its_kind_and_damaged_records_are_ignored(estimate, tmp_path):
    assert estimate.seconds(job(tmp_path / "new")) == 25.0


def test_epochs_that_are_done_count_no_more_but_the_rest_of_the_command_does(estimate, tmp_path):
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/metrics.csv").write_text("epoch,val_total\n0,1.0\n1,0.5\n2,0.4\n")
    assert estimate.seconds(job(tmp_path / "begun")) == 19.0
    assert estimate.seconds(job(tmp_path / "begun", epochs=2)) == 5.0


def test_a_short_training_estimates_a_long_one_without_multiplying_its_start(tmp_path):
    write_record(tmp_path / "runs/study/short", 4.0, epochs=2, rest=60.0)
    assert Estimate.read(tmp_path).seconds(job(tmp_path / "new", epochs=30)) == 120.0


def test_a_run_that_was_resumed_counts_all_its_epochs(tmp_path):
    write_record(tmp_path / "runs/study/resumed", 100.0, rest=-40.0)  # the last command trained the last few epochs
    assert Estimate.read(tmp_path).seconds(job(tmp_path / "new")) == 100.0


def test_a_kind_that_has_never_run_is_unknown_and_a_job_without_training_takes_no_time(estimate, tmp_path):
    assert estimate.seconds(job(tmp_path / "new", kind=("w1", *KIND[1:]))) is None
    assert estimate.seconds(job(tmp_path / "new", kind=())) == 0.0


def test_a_finished_job_is_learned_once(estimate, tmp_path):
    write_record(tmp_path / "done", 50.0, model="w1")
    done = job(tmp_path / "done", kind=("w1", *KIND[1:]))
    for _ in range(2):
        estimate.learn(done)
    assert estimate.known[done.kind] == [Duration(5.0, 5.0)]
    estimate.learn(job(tmp_path / "test", kind=()))
    assert estimate.seconds(job(tmp_path / "new", kind=done.kind)) == 55.0


def test_a_time_limit_allows_what_ends_in_time_and_what_is_unknown_while_time_is_left():
    limit = TimeLimit(1)
    assert not limit.is_over()
    over = TimeLimit(1e-9)
    assert over.is_over()
    assert not TimeLimit(None).is_over()
    for minutes in (0, -1, float("nan")):
        with pytest.raises(ValueError, match=r"^minutes must be above 0, or null for no limit, got"):
            TimeLimit(minutes)


def test_durations_are_readable():
    assert [format_duration(s) for s in (0.4, 89.0, 91.0, 5399.0, 5400.0, None)] == [
        "0 s", "89 s", "2 min", "1 h 30 min", "1 h 30 min", "unknown"
    ]  # fmt: skip
