"""Each job runs in its own process: jobs that fail, need another one, or run elsewhere."""

import json
import os
import sys

import pytest

from ptycho_bench.benchmark.durations import TimeLimit
from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.benchmark.workers import log_path, next_jobs, run_jobs, visible_gpus, worker_environment
from ptycho_bench.records.lock import RunLock
from ptycho_bench.training.processes import PARENT_VARIABLE

WRITE = "import os; os.makedirs(FOLDER, exist_ok=True); open(FOLDER + '/results.json', 'w').write('{}')"


@pytest.fixture(autouse=True)
def any_threads(monkeypatch):
    """Do not inherit a number of threads."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.fixture
def make_job(tmp_path):
    """make_job(name, *scripts, after=None) -> a job that runs Python scripts, in which FOLDER is its folder."""

    def make(name, *scripts, after=None, **options):
        folder = tmp_path / name
        texts = [script.replace("FOLDER", repr(str(folder))) for script in scripts or (WRITE,)]
        commands = tuple((sys.executable, "-S", "-c", text) for text in texts)
        about = {"epochs": 0, "kind": (), **options}
        return Job(name=name, folder=folder, commands=commands, after=after, **about)

    return make


@pytest.fixture
def run(tmp_path):
    """run(*jobs, **options) -> (final status, lines that were shown)."""

    def run_all(*jobs, workers=2, retry_failed=True, gpus=(), minutes=None):
        lines = []
        status = run_jobs(
            {job.name: job for job in jobs}, workers=workers, gpus=gpus, retry_failed=retry_failed,
            logs=tmp_path / "logs", show=lambda status: lines.append(status.line()), external_poll_s=0.05,
            limit=TimeLimit(minutes),
        )  # fmt: skip
        return status, lines

    return run_all


def test_jobs_that_are_left_run_and_done_ones_are_skipped(make_job, run, tmp_path):
    done = make_job("done", "raise SystemExit(1)")
    done.folder.mkdir()
    (done.folder / "results.json").write_text("{}")
    status, lines = run(done, make_job("runs/a"), make_job("b"))
    assert set(status.states.values()) == {"done"} and not status.reasons and status.is_finished()
    assert lines[0] == "1 done, 0 running, 0 failed, 2 left" and lines[-1] == "3 done, 0 running, 0 failed, 0 left"
    assert (tmp_path / "logs/runs-a.log").is_file() and not (tmp_path / "logs/done.log").exists()


def test_commands_of_a_job_run_one_after_the_other_and_the_first_failure_ends_it(make_job, run):
    first = "import os; os.makedirs(FOLDER, exist_ok=True); print('first', flush=True)"
    fails = "import sys; print('error: a\\nerror: no data; check the path'); sys.exit(1)"
    status, _ = run(make_job("good", first, WRITE), make_job("bad", first, fails, WRITE), workers=1)
    assert status.states == {"good": "done", "bad": "failed"}
    assert status.reasons == {"bad": "no data; check the path"}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise SystemExit(3)", r"ended with code 3; see .*bad\.log"),
        ("import os; os.kill(os.getpid(), 9)", "ended by SIGKILL; if it ran out of memory, lower workers"),
        ("import os; os.kill(os.getpid(), 15)", "^ended by SIGTERM$"),
        ("raise SystemExit(143)", "^ended by SIGTERM$"),
        ("pass", r"ended with code 0; see .*bad\.log"),
    ],
)
def test_a_failed_job_has_a_reason_and_ends_no_other(make_job, run, script, reason):
    status, _ = run(make_job("bad", script), make_job("good"))
    assert status.states == {"bad": "failed", "good": "done"}
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(status.reasons["bad"])


def test_a_job_waits_for_the_one_it_needs_and_fails_with_it(make_job, run, tmp_path):
    needs = f"import os; assert os.path.isfile({str(tmp_path / 'training/results.json')!r}); {WRITE}"
    jobs = [make_job("training", f"import time; time.sleep(0.3); {WRITE}"), make_job("test", needs, after="training")]
    broken = [make_job("broken", "raise SystemExit(1)"), make_job("its test", after="broken")]
    status, _ = run(*jobs, *broken, workers=3)
    assert status.states == {"training": "done", "test": "done", "broken": "failed", "its test": "failed"}
    assert status.reasons["its test"] == "needs broken, which failed"


@pytest.mark.parametrize("retry", [True, False])
def test_a_job_that_failed_before_runs_again_only_if_asked_for(make_job, run, retry):
    job = make_job("before")
    job.folder.mkdir()
    (job.folder / "error.txt").write_text("ValueError: old\n")
    status, _ = run(job, retry_failed=retry)
    assert status.states == {"before": "done" if retry else "failed"}
    assert status.reasons == ({} if retry else {"before": "failed before; retry_failed=true tries again"})


def held_by_another_process(folder):
    lock = RunLock(folder).path
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(json.dumps({"machine": "another:1", "pid": 1, "token": "x"}))
    return lock


def test_a_job_of_another_process_is_waited_for_until_it_is_done(make_job, run):
    held = make_job("held", "raise SystemExit(1)")
    lock = held_by_another_process(held.folder)
    other = (
        f"import os, time; time.sleep(0.3); {WRITE.replace('FOLDER', repr(str(held.folder)))}; os.remove({str(lock)!r})"
    )
    status, lines = run(held, make_job("other", f"{other}; {WRITE}"))
    assert status.states == {"held": "done", "other": "done"}
    assert "0 done, 2 running (1 elsewhere), 0 failed, 0 left" in lines


def test_a_job_whose_process_has_died_is_taken_over(make_job, run):
    held = make_job("held")
    lock = held_by_another_process(held.folder)
    status, lines = run(held, make_job("other", f"import os, time; time.sleep(0.3); os.remove({str(lock)!r}); {WRITE}"))
    assert status.states == {"held": "done", "other": "done"}
    assert any("(1 elsewhere)" in line for line in lines)


def test_no_more_jobs_run_at_the_same_time_than_there_are_workers(make_job, run):
    _, lines = run(*(make_job(name) for name in "abcd"), workers=2)
    assert max(int(line.split(" running")[0].split()[-1]) for line in lines) == 2


def test_an_interrupted_sweep_ends_its_processes(make_job, run, tmp_path):
    job = make_job("long", "import os, time; open('PID', 'w').write(str(os.getpid())); time.sleep(60)".replace(
        "PID", str(tmp_path / "pid")
    ))  # fmt: skip

    def stop(status):
        if status.count("running"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(
            {"long": job}, workers=1, gpus=(), retry_failed=True, logs=tmp_path / "logs", show=stop,
            limit=TimeLimit(None),
        )  # fmt: skip
    if (tmp_path / "pid").is_file():
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


def test_at_the_time_limit_jobs_are_stopped_and_left_and_no_other_one_is_started(make_job, run):
    cut = make_job("cut", "import os, time; os.makedirs(FOLDER); open(FOLDER + '/begun', 'w'); time.sleep(60)")
    status, lines = run(cut, make_job("waits"), workers=1, minutes=0.02)
    assert status.states == {"cut": "left", "waits": "left"} and not status.reasons and not status.is_finished()
    assert lines[-1] == "0 done, 0 running, 0 failed, 2 left"
    assert (cut.folder / "begun").is_file()
    assert not make_job("waits").folder.exists()


def test_a_job_without_data_fails_with_its_reason_and_the_others_run(make_job, run):
    lost = make_job("lost", problem="no file x; git clone y z")
    status, _ = run(lost, make_job("its test", after="lost"), make_job("good"))
    assert status.states == {"lost": "failed", "its test": "failed", "good": "done"}
    assert status.reasons == {"lost": "no file x; git clone y z", "its test": "needs lost, which failed"}
    assert not lost.folder.exists() and lost.state() == "no data"


def test_a_job_that_measures_time_runs_alone(make_job, run):
    busy = "import os, time; open(FOLDER + '.busy', 'w'); time.sleep(0.4); os.remove(FOLDER + '.busy'); " + WRITE
    alone = (
        "import glob, os; assert not glob.glob(os.path.dirname(FOLDER) + '/*.busy'); "
        "assert 'OMP_NUM_THREADS' not in os.environ; " + busy
    )
    jobs = [make_job("a", busy), make_job("timed", alone, alone=True), make_job("b", busy), make_job("c", busy)]
    status, _ = run(*jobs, workers=3)
    assert set(status.states.values()) == {"done"}, status.reasons


def test_a_job_is_told_with_which_process_it_ends(make_job, run):
    status, _ = run(make_job("a", f"import os; assert os.environ[{PARENT_VARIABLE!r}] == str(os.getppid()); {WRITE}"))
    assert status.states == {"a": "done"}, status.reasons


def test_the_next_jobs_are_as_many_as_there_are_workers_unless_one_must_run_alone(make_job):
    first, second, third = (make_job(name) for name in "abc")
    timed = make_job("timed", alone=True)
    assert next_jobs([first, second, third], [], 2) == [first, second]
    assert next_jobs([second, third], [first], 2) == [second]
    assert next_jobs([first, timed, second], [], 2) == [timed]
    assert next_jobs([timed, second], [first], 2) == []
    assert next_jobs([second], [timed], 2) == []


def test_workers_take_the_devices_in_turn_and_share_the_cores(monkeypatch):
    assert [worker_environment(slot, [4, 7], 3)["CUDA_VISIBLE_DEVICES"] for slot in range(3)] == ["4", "7", "4"]
    assert int(worker_environment(0, [], 2)["OMP_NUM_THREADS"]) == max(1, (os.cpu_count() or 1) // 2)
    assert "OMP_NUM_THREADS" not in worker_environment(0, [], 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert worker_environment(0, [], 2)["OMP_NUM_THREADS"] == "3"


def test_visible_devices_are_those_of_the_environment(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5,x")
    assert visible_gpus() == [2, 5]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


def test_a_log_has_the_name_of_its_job(make_job, tmp_path):
    assert log_path(make_job("runs/benchmark/x"), tmp_path) == tmp_path / "runs-benchmark-x.log"
