"""A cluster node runs the commands of a job, and the state of the job is recorded."""

import re
import sys

import pytest

from ptycho_bench.benchmark.cluster import record_submitted, submitted_failure
from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.benchmark.node import exit_reason, run_commands
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


@pytest.mark.parametrize(
    ("code", "output", "reason"),
    [
        (1, "error: first\nerror: no data\n", "no data"),
        (
            143,
            "epoch 1\ninterrupted after epoch 1 of 2; the same command continues\n",
            "interrupted after epoch 1 of 2.*",
        ),
        (-9, "epoch 1\n", "ended by SIGKILL; if it ran out of memory, ask for more by mem_gb"),
        (-15, "", "ended by SIGTERM"),
        (2, "", "ptycho-train ended with code 2"),
    ],
)
def test_the_reason_for_a_failure_is_what_the_command_says_or_the_signal_that_ended_it(code, output, reason):
    assert re.fullmatch(reason, exit_reason("ptycho-train", code, output))


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "(state: FAILED)\nslurmstepd: error: exceeded memory limit (9 > 8)\nx CANCELLED AT",
            "out of memory",
        ),
        ("(state: OUT_OF_MEMORY)\nNo output/error stream produced", "out of memory"),
        ("(state: TIMEOUT)\nslurmstepd: error: *** JOB 3 ON n CANCELLED AT x DUE TO TIME LIMIT ***", "out of time"),
        ("Job not requeued because: timed-out and not checkpointable.", "out of time"),
        ("(state: NODE_FAIL)\n", "its node failed"),
        ("(state: CANCELLED)\nsrun: forcing job termination", "it was cancelled"),
    ],
)
def test_what_the_cluster_does_to_a_job_is_said_plainly(log, reason):
    assert reason in submitted_failure(log)


def test_a_job_that_has_left_the_queue_has_ended_and_a_suspended_one_has_not():
    submission = pytest.importorskip("ptycho_bench.benchmark.submission")
    watcher = submission.QueueWatcher()
    for job in ("1_0", "1_1", "1_2", "2"):
        watcher.register_job(job)
    found = watcher.read_info(b"1_0 SUSPENDED\n1_1 OUT_OF_MEMORY\n9 RUNNING\n2 PENDING\n")
    states = {job: one["State"] for job, one in found.items()}
    assert states == {"1_0": "RUNNING", "1_1": "OUT_OF_MEMORY", "1_2": "COMPLETED", "2": "RUNNING"}
    assert watcher._make_command()[0] == "squeue"
