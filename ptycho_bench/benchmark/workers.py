"""Run each job in its own process, so that a crash or a lack of memory ends one job and not the others."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ptycho_bench.benchmark.durations import TimeLimit
from ptycho_bench.benchmark.jobs import Job, last_error, process_arguments
from ptycho_bench.benchmark.status import (
    EXTERNAL,
    SweepStatus,
    fail_dependents,
    first_status,
    refresh_external,
    startable,
    unclaimed,
)
from ptycho_bench.training.processes import ends_with_this_process

POLL_S = 0.2  # interval between two checks of the processes of this sweep
EXTERNAL_POLL_S = 5.0  # interval between two checks of the jobs of other processes
STOP_S = 30.0  # time that a process has to end after SIGTERM
FATAL = frozenset(signal.Signals)  # a process that a signal ends has its number, or 128 more as its exit code


@dataclass
class RunningJob:
    """A job with its current process.

    Args:
        job: the job.
        slot: number of its worker.
        process: process of its current command.
        log: file for the output of its commands.
        step: index of its current command.
    """

    job: Job
    slot: int
    process: subprocess.Popen
    log: TextIO
    step: int


def run_jobs(
    jobs: Mapping[str, Job],
    *,
    workers: int,
    gpus: Sequence[int],
    retry_failed: bool,
    logs: Path,
    show: Callable[[SweepStatus], None],
    limit: TimeLimit,
    external_poll_s: float = EXTERNAL_POLL_S,
) -> SweepStatus:
    """Run the jobs that are not done. Wait for jobs that other processes run, and take them over if these die.

    Jobs that still run when the time is over are stopped. Trainings resume when they are started again; other jobs
    start from the beginning.

    Args:
        jobs: jobs by name; each comes after the one it needs.
        workers: number of jobs that run at the same time.
        gpus: numbers of the devices that the workers use in turn; if empty, no worker is pinned to a device.
        retry_failed: whether jobs that failed in an earlier sweep run again.
        logs: folder for the output of the commands.
        show: called with the status whenever it has changed.
        limit: time that the sweep may take.
        external_poll_s: interval between two checks of the jobs of other processes, in seconds.

    Returns:
        The final status; jobs for which there was no time are left.
    """
    status = first_status(jobs, retry_failed)
    running: list[RunningJob] = []
    looked = 0.0
    show(status)
    try:
        while not limit.is_over():
            before = dict(status.states)
            for one in list(running):
                if one.process.poll() is not None and not start_next_command(one, gpus, workers):
                    running.remove(one)
                    record_outcome(one, status)
            if time.monotonic() - looked > external_poll_s:
                looked = time.monotonic()
                refresh_external(jobs, status)
            fail_dependents(jobs, status)
            ready = startable(jobs, status) if len(running) < workers else []
            for job in unclaimed(next_jobs(ready, [one.job for one in running], workers), status):
                slot = min(set(range(workers)) - {one.slot for one in running})
                running.append(start(job, slot, logs, gpus, workers))
                status.states[job.name] = "running"
            if status.states != before:
                show(status)
            if status.is_finished() or (not running and not ready and not status.count("elsewhere")):
                return status
            time.sleep(POLL_S)
        stop(running)
        for one in running:
            status.states[one.job.name] = "done" if one.job.state() == "done" else "left"
        show(status)
        return status
    finally:
        stop(running)


def next_jobs(ready: Sequence[Job], running: Sequence[Job], workers: int) -> Sequence[Job]:
    """Return the jobs to start now; a job that must run alone waits until the others have ended.

    Args:
        ready: jobs that can start, in order.
        running: jobs that run.
        workers: number of jobs that run at the same time.
    """
    alone = [job for job in ready if job.alone]
    if any(job.alone for job in running) or (alone and running):
        return []
    return alone[:1] or ready[: workers - len(running)]


def stop(running: Sequence[RunningJob]) -> None:
    """End the processes of jobs; those that do not react to SIGTERM are killed."""
    for one in running:
        one.process.terminate()
    for one in running:
        try:
            one.process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()
        one.log.close()


def log_path(job: Job, logs: Path) -> Path:
    """Return the file for the output of a job."""
    return logs / f"{job.name.replace('/', '-')}.log"


def start(job: Job, slot: int, logs: Path, gpus: Sequence[int], workers: int) -> RunningJob:
    """Start the first command of a job."""
    logs.mkdir(parents=True, exist_ok=True)
    log = log_path(job, logs).open("w")
    environment = worker_environment(slot, gpus, 1 if job.alone else workers)
    return RunningJob(job, slot, launch(job.commands[0], log, environment), log, 0)


def start_next_command(running: RunningJob, gpus: Sequence[int], workers: int) -> bool:
    """Start the next command of a job. Return False if there is none, or if the current one has failed."""
    if running.process.returncode or running.step + 1 == len(running.job.commands):
        return False
    running.step += 1
    command = running.job.commands[running.step]
    running.process = launch(command, running.log, worker_environment(running.slot, gpus, workers))
    return True


def launch(command: Sequence[str], log: TextIO, environment: Mapping[str, str]) -> subprocess.Popen:
    """Start a command as a process that writes its output to a file, and that ends when this process does."""
    return subprocess.Popen(
        process_arguments(command),
        stdout=log,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**environment, **ends_with_this_process()},
    )


def worker_environment(slot: int, gpus: Sequence[int], workers: int) -> dict[str, str]:
    """Return the environment variables of a worker: its device, and its share of the processor cores."""
    environment = dict(os.environ)
    if gpus:
        environment["CUDA_VISIBLE_DEVICES"] = str(gpus[slot % len(gpus)])
    if workers > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    return environment


def record_outcome(running: RunningJob, status: SweepStatus) -> None:
    """Set the final state of a job whose commands have ended, and the reason if it has failed."""
    running.log.close()
    name, state = running.job.name, running.job.state()
    if state in EXTERNAL:  # it is done, or another process has started it first
        status.states[name] = EXTERNAL[state]
    else:
        status.fail(name, failure_reason(running))


def failure_reason(running: RunningJob) -> str:
    """Return why a job has failed: the last line of its error output, or the signal that ended it."""
    code = running.process.returncode
    number = -code if code < 0 else code - 128
    if number in FATAL:
        hint = "; if it ran out of memory, lower workers or recipe.batch_size" if number == signal.SIGKILL else ""
        return f"ended by {signal.Signals(number).name}{hint}"
    error = last_error(Path(running.log.name).read_text(errors="replace"))
    return error or f"ended with code {code}; see {running.log.name}"


def visible_gpus() -> list[int]:
    """Return the numbers of the CUDA devices that this process may use, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [int(number) for number in visible.split(",") if number.strip().isdigit()]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return list(range(sum(line.startswith("GPU ") for line in listed.splitlines())))
