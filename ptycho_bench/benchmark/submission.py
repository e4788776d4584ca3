"""Submission to a cluster by submitit, and the states of Slurm jobs."""

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path

import submitit
from submitit.core.utils import FailedJobError
from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

from ptycho_bench.benchmark.jobs import Job
from ptycho_bench.benchmark.node import run_commands

ENDED = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")
REFRESH_S = 30  # longest interval between two looks at the queue


class QueueWatcher(SlurmInfoWatcher):
    """Reads the states of all jobs of this user with one call of squeue.

    submitit calls sacct, which fails on a cluster without accounting; it would wait for ever for a job that was killed.
    squeue works on every cluster, and lists jobs that have ended for some minutes (MinJobAge, 300 s by default).
    """

    def _make_command(self) -> list[str] | None:
        if self._registered <= self._finished:
            return None
        return ["squeue", "--me", "--array", "--noheader", "--states=all", "--format=%i %T"]

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        """Return the state of each watched job; one that has left the queue is COMPLETED."""
        lines = (string if isinstance(string, str) else string.decode()).splitlines()
        listed = dict(line.split(maxsplit=1) for line in lines)
        states = {job: listed.get(job, "COMPLETED") for job in self._registered - self._finished}
        return {job: {"JobID": job, "State": state if state in ENDED else "RUNNING"} for job, state in states.items()}


def executor_for(cluster: str, options: Mapping[str, object], logs: Path) -> submitit.AutoExecutor:
    """Return submitit's executor.

    Args:
        cluster: slurm or local.
        options: options of the executor, for example timeout_min or slurm_partition.
        logs: folder for the output of the commands.

    Raises:
        ValueError: If the cluster is not available, or an option is unknown or has an impossible value.
    """
    if not isinstance(SlurmJob.watcher, QueueWatcher):
        SlurmJob.watcher = QueueWatcher(delay_s=REFRESH_S)
    try:
        executor = submitit.AutoExecutor(folder=logs, cluster=cluster)
        executor.update_parameters(**options)
    except (ValueError, TypeError, NameError, AssertionError, NotImplementedError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(f"submitit: {reason}; check cluster={cluster} and cluster_options") from error
    return executor


def submit_array(executor: submitit.AutoExecutor, jobs: Sequence[Job]) -> list[submitit.Job]:
    """Submit jobs as one array.

    Raises:
        ValueError: If the cluster does not accept them.
    """
    try:
        with redirect_stderr(io.StringIO()), executor.batch():
            return [executor.submit(run_commands, job.commands) for job in jobs]
    except FailedJobError as error:
        reason = "; ".join(line.removeprefix("sbatch: error: ") for line in str(error).splitlines())
        raise ValueError(f"the cluster does not accept the jobs: {reason}; check cluster_options") from error
