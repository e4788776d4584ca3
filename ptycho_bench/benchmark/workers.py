"""Jobs worked off by processes of their own: a crash or a lack of memory takes one of them, not the others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ptycho_bench.benchmark.plan import Job

MODULES = {
    "ptycho-train": "ptycho_bench.cli.train",
    "ptycho-evaluate": "ptycho_bench.cli.evaluate",
    "ptycho-simulate": "ptycho_bench.cli.simulate",
    "ptycho-reconstruct": "ptycho_bench.cli.reconstruct",
}
ELSEWHERE = {"done": "done", "running": "elsewhere"}  # of a folder's state: what a sweep need not start
POLL_S = 0.2  # own processes
ELSEWHERE_S = 5.0  # jobs that other processes hold


@dataclass
class SweepStatus:
    """How a sweep stands, by name of job.

    Args:
        states: done, running (here), elsewhere (another process has it), failed or left.
        reasons: of those that failed, a line each.
    """

    states: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def count(self, state: str) -> int:
        """How many jobs are in a state."""
        return sum(one == state for one in self.states.values())

    def line(self) -> str:
        """done / running / failed / left in one line."""
        elsewhere = f" ({self.count('elsewhere')} elsewhere)" if self.count("elsewhere") else ""
        running = self.count("running") + self.count("elsewhere")
        return f"{self.count('done')} done, {running} running{elsewhere}, {self.count('failed')} failed, " + (
            f"{self.count('left')} left"
        )


@dataclass
class Running:
    """A job at work.

    Args:
        job: which one.
        slot: of the workers.
        process: its present command's.
        log: where its output goes.
        step: number of its present command.
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
) -> SweepStatus:
    """Work off what is not done; what other processes hold is waited for, and taken over where they die.

    Args:
        jobs: by name; each comes after the one it needs.
        workers: at once.
        gpus: numbers of the devices they are spread over; empty: none is pinned.
        retry_failed: try those again that failed before.
        logs: folder for what the commands print.
        show: called with every change.
    """
    tally = SweepStatus({name: first_state(job, retry_failed) for name, job in jobs.items()})
    for name in [name for name, state in tally.states.items() if state == "failed"]:
        tally.reasons[name] = "failed before; retry_failed=true tries again"
    at_work: list[Running] = []
    looked = 0.0
    show(tally)
    try:
        while True:
            before = dict(tally.states)
            for running in list(at_work):
                if running.process.poll() is not None and not next_command(running, gpus, workers):
                    at_work.remove(running)
                    settle(running, tally)
            if time.monotonic() - looked > ELSEWHERE_S:
                looked = time.monotonic()
                refresh_external(jobs, tally)
            drop_unneeded(jobs, tally)
            for job in free(startable(jobs, tally)[: workers - len(at_work)], tally):
                slot = min(set(range(workers)) - {running.slot for running in at_work})
                at_work.append(start(job, slot, logs, gpus, workers))
                tally.states[job.name] = "running"
            if tally.states != before:
                show(tally)
            if not at_work and not any(state in ("left", "elsewhere") for state in tally.states.values()):
                return tally
            time.sleep(POLL_S)
    finally:
        for running in at_work:
            running.process.terminate()
            running.process.wait()
            running.log.close()


def first_state(job: Job, retry_failed: bool) -> str:
    """State of a job before anything was started."""
    state = job.state()
    return "failed" if state == "failed" and not retry_failed else ELSEWHERE.get(state, "left")


def refresh_external(jobs: Mapping[str, Job], tally: SweepStatus) -> None:
    """Jobs that other processes held: done, or free again."""
    for name in [name for name, state in tally.states.items() if state == "elsewhere"]:
        tally.states[name] = ELSEWHERE.get(jobs[name].state(), "left")


def drop_unneeded(jobs: Mapping[str, Job], tally: SweepStatus) -> None:
    """A job cannot be done whose checkpoint will not come."""
    for name, state in tally.states.items():
        needed = jobs[name].after
        if state == "left" and needed is not None and tally.states[needed] == "failed":
            tally.states[name], tally.reasons[name] = "failed", f"needs {needed}, which failed"


def startable(jobs: Mapping[str, Job], tally: SweepStatus) -> list[Job]:
    """Jobs that are left and whose checkpoint is there."""
    return [
        job
        for name, job in jobs.items()
        if tally.states[name] == "left" and (job.after is None or tally.states[job.after] == "done")
    ]


def free(ready: Sequence[Job], tally: SweepStatus) -> list[Job]:
    """Of jobs that could start, those that no other process has done or taken up meanwhile; the tally is told."""
    found = []
    for job in ready:
        if (state := job.state()) in ELSEWHERE:
            tally.states[job.name] = ELSEWHERE[state]
        else:
            found.append(job)
    return found


def log_path(job: Job, logs: Path) -> Path:
    """File for what a job's commands print."""
    return logs / f"{job.name.replace('/', '-')}.log"


def start(job: Job, slot: int, logs: Path, gpus: Sequence[int], workers: int) -> Running:
    """Start a job's first command."""
    logs.mkdir(parents=True, exist_ok=True)
    log = log_path(job, logs).open("w")
    return Running(job, slot, launch(job.commands[0], log, environment(slot, gpus, workers)), log, 0)


def next_command(running: Running, gpus: Sequence[int], workers: int) -> bool:
    """Start the next command of a job where the one before ended well. False where there is none to start."""
    if running.process.returncode or running.step + 1 == len(running.job.commands):
        return False
    running.step += 1
    command = running.job.commands[running.step]
    running.process = launch(command, running.log, environment(running.slot, gpus, workers))
    return True


def launch(command: Sequence[str], log: TextIO, env: Mapping[str, str]) -> subprocess.Popen:
    """A command in a process of its own, its output in a file."""
    words = [sys.executable, "-m", MODULES[command[0]], *command[1:]]
    return subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env)


def environment(slot: int, gpus: Sequence[int], workers: int) -> dict[str, str]:
    """Of a worker: its device, and its share of the processor's cores."""
    env = dict(os.environ)
    if gpus:
        env["CUDA_VISIBLE_DEVICES"] = str(gpus[slot % len(gpus)])
    if workers > 1:
        env.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    return env


def settle(running: Running, tally: SweepStatus) -> None:
    """State of a job whose commands have ended, and why it failed."""
    running.log.close()
    name, state = running.job.name, running.job.state()
    if state in ELSEWHERE:  # done, or another process was quicker
        tally.states[name] = ELSEWHERE[state]
    else:
        tally.states[name], tally.reasons[name] = "failed", why(running)


def why(running: Running) -> str:
    """Why a job failed, in a line: its own last word, or the signal that ended it."""
    code = running.process.returncode
    if code < 0:
        hint = "; out of memory? lower workers or recipe.batch_size" if -code == signal.SIGKILL else ""
        return f"ended by {signal.Signals(-code).name}{hint}"
    said = last_error(Path(running.log.name).read_text(errors="replace"))
    return said or f"ended with code {code}; see {running.log.name}"


def last_error(output: str) -> str | None:
    """The line by which a command says why it failed."""
    said = [line for line in output.splitlines() if line.startswith("error: ")]
    return said[-1].removeprefix("error: ") if said else None


def visible_gpus() -> list[int]:
    """Numbers of the CUDA devices of this machine that may be used, without loading torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [int(number) for number in named.split(",") if number.strip().isdigit()]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return list(range(sum(line.startswith("GPU ") for line in listed.splitlines())))
