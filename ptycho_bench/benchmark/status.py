"""The state of every job of a sweep, and which jobs can start. The jobs' folders show what other processes do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ptycho_bench.benchmark.jobs import Job

EXTERNAL = {"done": "done", "running": "elsewhere"}  # folder states in which a sweep need not start a job


@dataclass
class SweepStatus:
    """State of every job of a sweep.

    Args:
        states: done, running, elsewhere (running in another process), failed or left, by name of the job.
        reasons: one line for each failed job that says why it failed.
    """

    states: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def fail(self, name: str, reason: str) -> None:
        """Set a job to failed."""
        self.states[name], self.reasons[name] = "failed", reason

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
            status.fail(name, "failed before; retry_failed=true tries again")
        if job.problem is not None:
            status.fail(name, job.problem)
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
            status.fail(name, f"needs {needed}, which failed")


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
