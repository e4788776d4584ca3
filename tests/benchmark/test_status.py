"""The state of every job of a sweep: counted, and read from the folders that other processes fill."""

import pytest

from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.benchmark.status import SweepStatus, fail_dependents, first_status, refresh_external, startable


@pytest.fixture
def jobs(tmp_path):
    """A training, its test, and a training without data, by name; no folder exists."""
    jobs = [
        Job(name="a", folder=tmp_path / "a", commands=(), after=None, epochs=1, kind=("x",)),
        Job(name="a/tests/b", folder=tmp_path / "a/tests/b", commands=(), after="a", epochs=0, kind=()),
        Job(name="c", folder=tmp_path / "c", commands=(), after=None, epochs=1, kind=("x",), problem="no file c.tiff"),
    ]
    return {job.name: job for job in jobs}


def finish(job):
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / "results.json").write_text("{}")


def test_the_status_line_counts_jobs_of_other_processes_as_running():
    status = SweepStatus({"a": "done", "b": "elsewhere", "c": "running", "d": "left", "e": "failed"})
    assert status.line() == "1 done, 2 running (1 elsewhere), 1 failed, 1 left" and not status.is_finished()


def test_a_job_can_start_when_its_checkpoint_exists_and_a_job_without_data_never(jobs):
    status = first_status(jobs, retry_failed=True)
    assert status.states == {"a": "left", "a/tests/b": "left", "c": "failed"}
    assert status.reasons == {"c": "no file c.tiff"}
    assert [job.name for job in startable(jobs, status)] == ["a"]
    finish(jobs["a"])
    assert [job.name for job in startable(jobs, first_status(jobs, retry_failed=True))] == ["a/tests/b"]


def test_jobs_elsewhere_are_looked_at_and_a_failure_spreads_to_what_needs_it(jobs):
    status = SweepStatus({"a": "elsewhere", "a/tests/b": "left", "c": "left"})
    refresh_external(jobs, status)
    assert status.states["a"] == "left"
    status.fail("a", "broken")
    fail_dependents(jobs, status)
    assert status.reasons == {"a": "broken", "a/tests/b": "needs a, which failed"}
    status = SweepStatus({"a": "elsewhere", "a/tests/b": "left", "c": "left"})
    finish(jobs["a"])
    refresh_external(jobs, status)
    assert status.states["a"] == "done"
