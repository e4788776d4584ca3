"""Jobs through submitit: a Slurm array, or on this machine for a trial."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ptycho_bench.benchmark.plan import Job
from ptycho_bench.benchmark.workers import (
    ELSEWHERE,
    MODULES,
    SweepStatus,
    drop_unneeded,
    first_state,
    free,
    last_error,
    refresh_external,
    startable,
)

POLL_S = 2.0


def submit(
    jobs: Mapping[str, Job],
    *,
    cluster: str,
    options: Mapping[str, object],
    retry_failed: bool,
    logs: Path,
    show: Callable[[SweepStatus], None],
) -> SweepStatus:
    """Send every job that is not done to the cluster, those that need a checkpoint once it is there, and wait.

    Interrupting this process leaves the jobs in the queue; the same command later finds what they have done.

    Args:
        jobs: by name; each comes after the one it needs.
        cluster: slurm or local.
        options: of submitit's executor, as timeout_min or slurm_partition.
        retry_failed: see `workers.run_jobs`, as the next two.
        logs: likewise.
        show: likewise.

    Raises:
        ValueError: submitit is not installed, or an option it does not take.
    """
    try:
        import submitit
    except ImportError as error:
        raise ValueError("launcher=submitit needs the package submitit; pip install 'ptycho-bench[launch]'") from error
    try:
        executor = submitit.AutoExecutor(folder=logs, cluster=cluster)
        executor.update_parameters(**options)
    except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"submitit: {' '.join(str(error).split())}; mend cluster or cluster_options") from error
    tally = SweepStatus({name: first_state(job, retry_failed) for name, job in jobs.items()})
    queued: dict[str, submitit.Job] = {}
    show(tally)
    while True:
        before = dict(tally.states)
        for name in [name for name, sent in queued.items() if sent.done()]:
            settle(name, jobs[name], queued.pop(name), tally)
        refresh_external(jobs, tally)
        drop_unneeded(jobs, tally)
        if ready := free(startable(jobs, tally), tally):
            with executor.batch():  # one array
                sent = [executor.submit(run_commands, job.commands) for job in ready]
            for job, one in zip(ready, sent, strict=True):
                queued[job.name], tally.states[job.name] = one, "running"
        if tally.states != before:
            show(tally)
        if not queued and not any(state in ("left", "elsewhere") for state in tally.states.values()):
            return tally
        time.sleep(POLL_S)


def run_commands(commands: tuple[tuple[str, ...], ...]) -> None:
    """What a node does: one command after the other, in processes of their own.

    Raises:
        RuntimeError: one failed; its last word.
    """
    for command, *words in commands:
        done = subprocess.run(
            [sys.executable, "-m", MODULES[command], *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        print(done.stdout, flush=True)
        if done.returncode:
            raise RuntimeError(last_error(done.stdout) or f"{command} ended with code {done.returncode}")


def settle(name: str, job: Job, sent: object, tally: SweepStatus) -> None:
    """State of a job the cluster is done with, and why it failed."""
    state, error = job.state(), sent.exception()
    if state == "done" or (state == "running" and error is None):  # a node that was killed leaves a lock behind
        tally.states[name] = ELSEWHERE[state]
        return
    tally.states[name] = "failed"
    tally.reasons[name] = "it left no result" if error is None else last_word(str(error))


def last_word(text: str) -> str:
    """Why a node's command failed, out of what submitit says: its traceback and where its logs lie."""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line.removeprefix("RuntimeError: ") for line in said if line.startswith("RuntimeError: ")]
    return (raised or said or ["the cluster says nothing"])[-1]
