"""Run jobs through submitit: as a Slurm array, or on this machine for a trial."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.benchmark.status import (
    EXTERNAL,
    SweepStatus,
    fail_dependents,
    first_status,
    refresh_external,
    startable,
    unclaimed,
)

POLL_S = 2.0
REASONS = (  # what submitit's message on a job without a result contains, and what it means
    (r"OUT_OF_MEMORY|oom.?kill|[Ee]xceeded .*memory limit", "it ran out of memory; ask for more by mem_gb"),
    (r"TIMEOUT|TIME LIMIT|timed-out", "it ran out of time; repeat the command, or ask for more by timeout_min"),
    (r"NODE_FAIL|BOOT_FAIL", "its node failed"),
    (r"CANCELLED", "it was cancelled"),
)


def submit(
    jobs: Mapping[str, Job],
    *,
    cluster: str,
    options: Mapping[str, object],
    retry_failed: bool,
    logs: Path,
    show: Callable[[SweepStatus], None],
) -> SweepStatus:
    """Submit every job that is not done, each as soon as the checkpoint that it needs exists, and wait for them.

    If this process is interrupted, the submitted jobs stay in the queue; the same command finds their results later.

    Args:
        jobs: jobs by name; each comes after the one it needs.
        cluster: slurm or local.
        options: options of submitit's executor, for example timeout_min or slurm_partition.
        retry_failed: whether jobs that failed in an earlier sweep run again.
        logs: folder for the output of the commands.
        show: called with the status whenever it has changed.

    Returns:
        The final status.

    Raises:
        ValueError: If submitit is not installed, or it or the cluster does not accept an option.
    """
    try:
        from ptycho_bench.benchmark.submission import executor_for, submit_array
    except ImportError as error:
        raise ValueError("launcher=submitit needs the package submitit; pip install 'ptycho-bench[launch]'") from error
    executor = executor_for(cluster, options, logs)
    status = first_status(jobs, retry_failed)
    queued: dict[str, object] = {}
    show(status)
    while True:
        before = dict(status.states)
        for name in [name for name, submitted in queued.items() if submitted.done()]:
            record_submitted(name, jobs[name], queued.pop(name), status)
        refresh_external(jobs, status)
        fail_dependents(jobs, status)
        if ready := unclaimed(startable(jobs, status), status):
            for job, one in zip(ready, submit_array(executor, ready), strict=True):
                queued[job.name], status.states[job.name] = one, "running"
        if status.states != before:
            show(status)
        if status.is_finished():
            return status
        time.sleep(POLL_S)


def record_submitted(name: str, job: Job, submitted: object, status: SweepStatus) -> None:
    """Set the final state of a job that the cluster has finished, and the reason if it has failed."""
    state, error = job.state(), submitted.exception()
    if state == "done" or (state == "running" and error is None):  # a node that was killed leaves its lock
        status.states[name] = EXTERNAL[state]
        return
    status.fail(name, "it has written no results" if error is None else submitted_failure(str(error)))


def submitted_failure(text: str) -> str:
    """Return why a node's command has failed, from submitit's message, which contains a traceback or the job's log."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line.removeprefix("RuntimeError: ") for line in lines if line.startswith("RuntimeError: ")]
    known = [reason for pattern, reason in REASONS if re.search(pattern, text)]
    return (raised[-1:] or known or lines[-1:] or ["the cluster gives no reason"])[0]
