"""Run each job in its own process, so that a crash or a lack of memory ends one job and not the others."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ptycho_bench.benchmark.jobs import Job, last_error, process_arguments

EXTERNAL = {"done": "done", "running": "elsewhere"}  # folder states in which a sweep need not start a job
POLL_S = 0.2  # interval between two looks at the processes of this sweep
EXTERNAL_POLL_S = 5.0  # interval between two looks at the jobs of other processes


@dataclass
class SweepStatus:
    """State of every job of a sweep.

    Args:
        states: done, running, elsewhere (running in another process), failed or left, by name of the job.
        reasons: for each failed job one line that says why.
    """

    states: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def count(self, state: str) -> int:
        """Return the number of jobs in a state."""
        return sum(one == state for one in self.states.values())

    def line(self) -> str:
        """Return the number of jobs that are done, running, failed and left, in one line."""
        elsewhere = f" ({self.count('elsewhere')} elsewhere)" if self.count("elsewhere") else ""
        running = self.count("running") + self.count("elsewhere")
        return f"{self.count('done')} done, {running} running{elsewhere}, {self.count('failed')} failed, " + (
            f"{self.count('left')} left"
        )

    def is_finished(self) -> bool:
        """Return True if every job is done or has failed."""
        return all(state in ("done", "failed") for state in self.states.values())


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
    external_poll_s: float = EXTERNAL_POLL_S,
) -> SweepStatus:
    """Run the jobs that are not done. Wait for jobs that other processes run, and take them over if these die.

    Args:
        jobs: jobs by name; each comes after the one it needs.
        workers: number of jobs that run at the same time.
        gpus: numbers of the devices that the workers use in turn; if empty, no worker is pinned to a device.
        retry_failed: whether jobs that failed in an earlier sweep run again.
        logs: folder for the output of the commands.
        show: called with the status whenever it has changed.
        external_poll_s: interval between two looks at the jobs of other processes, in seconds.

    Returns:
        The final status.
    """
    status = first_status(jobs, retry_failed)
    running: list[RunningJob] = []
    looked = 0.0
    show(status)
    try:
        while True:
            before = dict(status.states)
            for one in list(running):
                if one.process.poll() is not None and not start_next_command(one, gpus, workers):
                    running.remove(one)
                    record_outcome(one, status)
            if time.monotonic() - looked > external_poll_s:
                looked = time.monotonic()
                refresh_external(jobs, status)
            fail_dependents(jobs, status)
            for job in unclaimed(startable(jobs, status)[: workers - len(running)], status):
                slot = min(set(range(workers)) - {one.slot for one in running})
                running.append(start(job, slot, logs, gpus, workers))
                status.states[job.name] = "running"
            if status.states != before:
                show(status)
            if status.is_finished():
                return status
            time.sleep(POLL_S)
    finally:
        for one in running:
            one.process.terminate()
            one.process.wait()
            one.log.close()


def first_status(jobs: Mapping[str, Job], retry_failed: bool) -> SweepStatus:
    """Return the status before any job has been started.

    Args:
        jobs: jobs by name.
        retry_failed: whether jobs that failed in an earlier sweep run again.
    """
    status = SweepStatus()
    for name, job in jobs.items():
        state = job.state()
        status.states[name] = EXTERNAL.get(state, "left")
        if state == "failed" and not retry_failed:
            status.states[name] = "failed"
            status.reasons[name] = "failed before; retry_failed=true tries again"
    return status


def refresh_external(jobs: Mapping[str, Job], status: SweepStatus) -> None:
    """Update the jobs that other processes run: they may be done, or left if their process has died."""
    for name in [name for name, state in status.states.items() if state == "elsewhere"]:
        status.states[name] = EXTERNAL.get(jobs[name].state(), "left")


def fail_dependents(jobs: Mapping[str, Job], status: SweepStatus) -> None:
    """Mark a job as failed if the job whose checkpoint it needs has failed."""
    for name, state in status.states.items():
        needed = jobs[name].after
        if state == "left" and needed is not None and status.states[needed] == "failed":
            status.states[name], status.reasons[name] = "failed", f"needs {needed}, which failed"


def startable(jobs: Mapping[str, Job], status: SweepStatus) -> list[Job]:
    """Return the jobs that are left and whose checkpoint, if they need one, exists."""
    return [
        job
        for name, job in jobs.items()
        if status.states[name] == "left" and (job.after is None or status.states[job.after] == "done")
    ]


def unclaimed(ready: Sequence[Job], status: SweepStatus) -> list[Job]:
    """Return the jobs that no other process has finished or started in the meantime; update the status of the rest."""
    found = []
    for job in ready:
        if (state := job.state()) in EXTERNAL:
            status.states[job.name] = EXTERNAL[state]
        else:
            found.append(job)
    return found


def log_path(job: Job, logs: Path) -> Path:
    """Return the file for the output of a job."""
    return logs / f"{job.name.replace('/', '-')}.log"


def start(job: Job, slot: int, logs: Path, gpus: Sequence[int], workers: int) -> RunningJob:
    """Start the first command of a job."""
    logs.mkdir(parents=True, exist_ok=True)
    log = log_path(job, logs).open("w")
    return RunningJob(job, slot, launch(job.commands[0], log, worker_environment(slot, gpus, workers)), log, 0)


def start_next_command(running: RunningJob, gpus: Sequence[int], workers: int) -> bool:
    """Start the next command of a job. Return False if there is none, or if the current one has failed."""
    if running.process.returncode or running.step + 1 == len(running.job.commands):
        return False
    running.step += 1
    command = running.job.commands[running.step]
    running.process = launch(command, running.log, worker_environment(running.slot, gpus, workers))
    return True


def launch(command: Sequence[str], log: TextIO, environment: Mapping[str, str]) -> subprocess.Popen:
    """Start a command as a process that writes its output to a file."""
    return subprocess.Popen(
        process_arguments(command), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
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
        status.states[name], status.reasons[name] = "failed", failure_reason(running)


def failure_reason(running: RunningJob) -> str:
    """Return why a job has failed: the last line of its error output, or the signal that ended it."""
    code = running.process.returncode
    if code < 0:
        hint = "; if it ran out of memory, lower workers or recipe.batch_size" if -code == signal.SIGKILL else ""
        return f"ended by {signal.Signals(-code).name}{hint}"
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
