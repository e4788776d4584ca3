"""How a sweep is started: workers by number or by GPU, a time limit, and what it reports as left."""

import pytest

from ptycho_bench.benchmark.durations import Duration, Estimate, TimeLimit
from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.benchmark.status import SweepStatus
from ptycho_bench.benchmark.sweep import Launch, lines_left

WHERE = {
    "launcher": "processes", "workers": None, "workers_per_gpu": None, "gpus": None, "retry_failed": True,
    "cluster": "slurm", "cluster_options": {}, "command": "ptycho-sweep",
}  # fmt: skip


def launch(minutes=None, **changes):
    return Launch(**{**WHERE, "limit": TimeLimit(minutes), **changes})


def test_the_number_of_workers_is_given_or_one_or_so_many_on_each_gpu():
    assert launch().worker_count([]) == launch().worker_count([0, 1]) == 1
    assert launch(workers=4).worker_count([]) == 4
    assert launch(workers_per_gpu=3).worker_count([0, 1]) == 6
    with pytest.raises(ValueError, match=r"^workers_per_gpu=3 needs runs that use a GPU, found 0 GPUs; use workers=N$"):
        launch(workers_per_gpu=3).worker_count([])


def test_runs_on_the_cpu_and_runs_of_several_processes_are_pinned_to_no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert launch().gpus_for("auto") == launch().gpus_for("gpu") == [0, 1]
    assert launch().gpus_for("cpu") == launch().gpus_for("ddp") == []
    assert launch(gpus=[1]).gpus_for("gpu") == [1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"launcher": "ship"}, "launcher must be processes or submitit, got 'ship'"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"workers_per_gpu": -1}, "workers_per_gpu must be at least 1, got -1"),
        ({"workers": 2, "workers_per_gpu": 1}, "workers=2 and workers_per_gpu=1 cannot be combined; give one"),
        ({"launcher": "submitit", "workers_per_gpu": 1}, "minutes and workers_per_gpu are for launcher=processes"),
        ({"launcher": "submitit", "minutes": 5}, "minutes and workers_per_gpu are for launcher=processes"),
    ],
)
def test_options_that_contradict_each_other_are_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match=rf"^{message}"):
        launch(**changes)


def test_jobs_that_are_left_are_listed_with_their_duration(tmp_path):
    jobs = {
        name: Job(name=name, folder=tmp_path / name, commands=(), after=None, epochs=100, kind=(kind,))
        for name, kind in {"a": "known", "b": "other", "c": "known", "d": "known"}.items()
    }
    status = SweepStatus({"a": "left", "b": "left", "c": "done", "d": "failed"})
    lines = lines_left(jobs, status, Estimate({("known",): [Duration(60.0, 0.0)]}))
    assert lines == ["left: a  1 h 40 min", "left: b  unknown"]
