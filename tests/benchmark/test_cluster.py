"""A cluster node runs the commands of a job, and the state of the job is recorded."""

import sys

import pytest

from ptycho_bench.benchmark.cluster import record_submitted, run_commands, submitted_failure
from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.benchmark.status import SweepStatus


class Submitted:
    """A job of submitit that has ended."""

    def __init__(self, error):
        self.error = error

    def exception(self):
        return self.error


def test_a_node_runs_the_commands_in_turn_and_raises_the_error_that_one_prints(capsys):
    commands = [(sys.executable, "-S", "-c", f"print({word!r})") for word in ("first", "second")]
    run_commands(commands)
    assert capsys.readouterr().out.split() == ["first", "second"]
    fails = (sys.executable, "-S", "-c", "print('error: no data'); raise SystemExit(1)")
    with pytest.raises(RuntimeError, match=r"^no data$"):
        run_commands([fails, commands[0]])
    assert "first" not in capsys.readouterr().out
    with pytest.raises(RuntimeError, match=r"ended with code 2$"):
        run_commands([(sys.executable, "-S", "-c", "raise SystemExit(2)")])


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (None, "failed", "it has written no results"),
        (ValueError("Traceback\n  File x\nRuntimeError: no data\nlogs in x"), "failed", "no data"),
        (ValueError(""), "failed", "the cluster gives no reason"),
    ],
)
def test_a_submitted_job_without_results_has_failed(tmp_path, error, state, reason):
    job = Job(name="a", folder=tmp_path / "a", commands=(), after=None, epochs=0, kind=())
    status = SweepStatus({"a": "running"})
    record_submitted("a", job, Submitted(error), status)
    assert (status.states["a"], status.reasons["a"]) == (state, reason)


def test_a_submitted_job_with_results_is_done(tmp_path):
    job = Job(name="a", folder=tmp_path, commands=(), after=None, epochs=0, kind=())
    (tmp_path / "results.json").write_text("{}")
    status = SweepStatus({"a": "running"})
    record_submitted("a", job, Submitted(ValueError("late")), status)
    assert status.states["a"] == "done" and not status.reasons


def test_the_last_line_stands_for_a_failure_without_a_known_error():
    assert submitted_failure("one\n\ntwo\n") == "two"
