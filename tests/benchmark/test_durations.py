"""Durations are estimated from runs of the same kind."""

import json

import pytest

from ptycho_bench.benchmark.durations import Estimate, format_duration
from ptycho_bench.benchmark.jobs import Job

KIND = ("w3", "ltem", "ppn")


def write_record(folder, seconds, model="w3"):
    folder.mkdir(parents=True)
    choices = {"model": model, "split": "ppn"}
    record = {"choices": choices, "data": {"name": "ltem"}, "training": {"seconds_per_epoch": seconds}}
    (folder / "results.json").write_text(json.dumps(record))


def job(folder, *, kind=KIND, epochs=10):
    return Job(name=folder.name, folder=folder, commands=(), after=None, epochs=epochs, kind=kind)


@pytest.fixture
def estimate(tmp_path):
    for number, seconds in enumerate((1.0, 2.0, 30.0)):
        write_record(tmp_path / f"runs/study/{number}", seconds)
    for name, text in {"torn": "{", "list": "[]", "other": '{"choices": {}}'}.items():
        (tmp_path / f"runs/study/{name}").mkdir()
        (tmp_path / f"runs/study/{name}/results.json").write_text(text)
    return Estimate.read(str(tmp_path))


def test_a_job_takes_the_median_of_its_kind_for_each_epoch_and_damaged_records_are_ignored(estimate, tmp_path):
    assert estimate.seconds(job(tmp_path / "new")) == 20.0


def test_epochs_that_are_done_count_no_more(estimate, tmp_path):
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/metrics.csv").write_text("epoch,val_total\n0,1.0\n1,0.5\n2,0.4\n")
    assert estimate.seconds(job(tmp_path / "begun")) == 14.0
    assert estimate.seconds(job(tmp_path / "begun", epochs=2)) == 0.0


def test_a_kind_that_has_never_run_is_unknown_and_a_job_without_training_takes_no_time(estimate, tmp_path):
    assert estimate.seconds(job(tmp_path / "new", kind=("w1", "ltem", "ppn"))) is None
    assert estimate.seconds(job(tmp_path / "new", kind=())) == 0.0


def test_a_finished_job_is_learned_once(estimate, tmp_path):
    write_record(tmp_path / "done", 5.0, model="w1")
    done = job(tmp_path / "done", kind=("w1", "ltem", "ppn"))
    for _ in range(2):
        estimate.learn(done)
    assert estimate.known[done.kind] == [5.0]
    estimate.learn(job(tmp_path / "test", kind=()))
    assert estimate.seconds(job(tmp_path / "new", kind=done.kind)) == 50.0


def test_durations_are_readable():
    assert [format_duration(s) for s in (0.4, 89.0, 91.0, 5399.0, 5400.0, None)] == [
        "0 s", "89 s", "2 min", "1 h 30 min", "1 h 30 min", "unknown"
    ]  # fmt: skip
