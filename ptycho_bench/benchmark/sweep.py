"""Run what is missing from a benchmark."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ptycho_bench.benchmark.cluster import submit
from ptycho_bench.benchmark.definition import Benchmark
from ptycho_bench.benchmark.durations import Estimate, TimeLimit, format_duration
from ptycho_bench.benchmark.jobs import NO_DATA, Job
from ptycho_bench.benchmark.plan import Plan, make_plan
from ptycho_bench.benchmark.plan_file import variant_name
from ptycho_bench.benchmark.planner import SweepOptions
from ptycho_bench.benchmark.status import SweepStatus
from ptycho_bench.benchmark.workers import run_jobs, visible_gpus

UNPLANNED = {"seeds", "title", "source", "note", "figures"}  # parts of a benchmark that leave its runs as they are
LAUNCHERS = ("processes", "submitit")


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How the jobs of a sweep are started.

    Args:
        launcher: `processes` on this machine, or `submitit`.
        workers: number of jobs that run at the same time; None for one, or for `workers_per_gpu` on each GPU.
        workers_per_gpu: number of jobs that share a GPU; None if `workers` counts.
        gpus: devices that the workers are spread over; None for those of this machine.
        limit: time after which running jobs are stopped and no other one starts.
        retry_failed: whether failed jobs are tried again.
        cluster: submitit's cluster, `slurm` or `local`.
        cluster_options: options of submitit's executor.
        command: the command line of the sweep, which continues it after a time limit.

    Raises:
        ValueError: If the launcher is unknown, there is no worker, or options contradict each other.
    """

    launcher: str
    workers: int | None
    workers_per_gpu: int | None
    gpus: Sequence[int] | None
    limit: TimeLimit
    retry_failed: bool
    cluster: str
    cluster_options: Mapping[str, object]
    command: str

    def __post_init__(self) -> None:
        if self.launcher not in LAUNCHERS:
            raise ValueError(f"launcher must be {' or '.join(LAUNCHERS)}, got {self.launcher!r}")
        for name in ("workers", "workers_per_gpu"):
            if (count := getattr(self, name)) is not None and count < 1:
                raise ValueError(f"{name} must be at least 1, got {count}")
        if self.workers is not None and self.workers_per_gpu is not None:
            raise ValueError(
                f"workers={self.workers} and workers_per_gpu={self.workers_per_gpu} cannot be combined; give one"
            )
        if self.launcher != "processes" and (self.limit.minutes or self.workers_per_gpu):
            raise ValueError(
                f"minutes and workers_per_gpu are for launcher=processes, got launcher={self.launcher}; use "
                "cluster_options={timeout_min:N,gpus_per_node:N}"
            )

    def gpus_for(self, trainer: str) -> Sequence[int]:
        """Return the devices that workers are spread over; none if the runs need no GPU of their own."""
        if self.gpus is not None:
            return self.gpus
        return [] if trainer in ("cpu", "ddp") else visible_gpus()

    def worker_count(self, gpus: Sequence[int]) -> int:
        """Return the number of jobs that run at the same time on some devices.

        Raises:
            ValueError: If workers are to share a GPU and there is none.
        """
        if self.workers_per_gpu is None:
            return 1 if self.workers is None else self.workers
        if not gpus:
            raise ValueError(
                f"workers_per_gpu={self.workers_per_gpu} needs runs that use a GPU, found 0 GPUs; use workers=N"
            )
        return self.workers_per_gpu * len(gpus)


def save_plan(plan: Plan, node: dict, options: SweepOptions) -> None:
    """Save the plan for reports.

    Seeds of an earlier sweep stay in the plan. If the runs of the benchmark have changed since then, the new plan
    replaces the old one, and a line reports that.

    Args:
        plan: the plan.
        node: the benchmark as plain data.
        options: settings of the sweep.
    """
    seeds = list(plan.benchmark.seeds)
    if (earlier := plan.saved()) is not None:
        before, now = (one.model_dump(exclude=UNPLANNED) for one in (earlier.definition, plan.benchmark))
        if before == now:
            seeds = sorted({*seeds, *earlier.definition.seeds})
        else:
            print(f"{plan.benchmark.name} has changed since its last sweep; its table now has only this sweep's runs")
    node = {**node, "seeds": seeds}
    if seeds != list(plan.benchmark.seeds):
        plan = make_plan(Benchmark.of(plan.benchmark.name, node), options)
    plan.write(node)


def selected_jobs(plan: Plan, index: int | None) -> dict[str, Job]:
    """Return all jobs, or the job with an index and the job that it needs.

    The index counts all jobs of the plan, done or not, so that it refers to the same job in every task of an array.

    Raises:
        ValueError: If the plan has no job with this index.
    """
    if index is None:
        return plan.jobs
    names = list(plan.jobs)
    if not 0 <= index < len(names):
        raise ValueError(f"index must lie in [0, {len(names) - 1}], the jobs of {plan.benchmark.name}, got {index}")
    job = plan.jobs[names[index]]
    needed = {} if job.after is None else {job.after: plan.jobs[job.after]}
    return {**needed, job.name: job}


def sweep(plan: Plan, jobs: Mapping[str, Job], launch: Launch, options: SweepOptions) -> None:
    """Run jobs and print the outcome.

    Args:
        plan: the plan that the jobs belong to.
        jobs: the jobs to run, by name; each comes after the one it needs.
        launch: how they are started.
        options: settings of the sweep.

    Raises:
        ValueError: If a job fails.
    """
    gpus = launch.gpus_for(options.trainer)
    workers, estimate = launch.worker_count(gpus), Estimate.read(options.outputs_dir)
    progress = Progress(plan, jobs, estimate, workers)
    settings = {"retry_failed": launch.retry_failed, "logs": plan.folder / "logs", "show": progress}
    if launch.launcher == "processes":
        status = run_jobs(jobs, workers=workers, gpus=gpus, limit=launch.limit, **settings)
    else:
        status = submit(jobs, cluster=launch.cluster, options=launch.cluster_options, **settings)
    progress.close()
    for name, reason in status.reasons.items():
        print(f"failed: {name}: {reason}")
    if not status.is_finished():
        print("\n".join(lines_left(jobs, status, estimate)))
        print(
            f"the time limit of {launch.limit.minutes:g} minutes leaves no time for more jobs; to continue, repeat: "
            f"{launch.command}"
        )
    if status.reasons:
        raise ValueError(f"{len(status.reasons)} of {len(jobs)} jobs failed; the same command tries them again")
    if status.is_finished():
        print(f"next: ptycho-report {' '.join(report_words(plan))}")


def lines_left(jobs: Mapping[str, Job], status: SweepStatus, estimate: Estimate) -> list[str]:
    """Return a line with name and estimated duration for each job that a sweep leaves unfinished."""
    left = [job for name, job in jobs.items() if status.states[name] not in ("done", "failed")]
    return [f"left: {job.name}  {format_duration(estimate.seconds(job))}" for job in left]


def report_words(plan: Plan) -> list[str]:
    """Return the words of the command line that reports a plan."""
    return [f"benchmark={plan.benchmark.name}", *([] if plan.epochs is None else [f"epochs={plan.epochs}"])]


def missing_commands(plan: Plan) -> list[str]:
    """Return the commands of each job that is neither done nor running, one line for each job.

    Jobs without data are left out, because the names of their folders depend on the data; comments say what is missing.
    """
    missing = [job for job in plan.jobs.values() if job.state() not in ("done", "running", NO_DATA)]
    return [*(f"# {line}" for line in problem_lines(plan)), *(job.line() for job in missing)]


def problem_lines(plan: Plan) -> list[str]:
    """Return a line for each reason why jobs of a plan cannot run."""
    return [f"{NO_DATA} ({count} of {len(plan.jobs)} jobs): {problem}" for problem, count in plan.problems().items()]


def job_lines(plan: Plan, outputs_dir: Path) -> list[str]:
    """Return a line for each job of a plan with its state and duration, what data are missing, and the sum."""
    estimate = Estimate.read(outputs_dir)
    lines, known, unknown = [], 0.0, 0
    for number, job in enumerate(plan.jobs.values()):
        state = job.state()
        seconds = 0.0 if state == "done" else estimate.seconds(job)
        known, unknown = known + (seconds or 0.0), unknown + (seconds is None)
        duration = "" if state == "done" else f"  {format_duration(seconds)}"
        lines.append(f"{number:4d}  {state:8s}{job.name}{duration}")
    rest = f", not counting {unknown} of unknown duration" if unknown else ""
    total = f"{len(plan.jobs)} jobs for {len(plan.cells)} cells"
    left = f"{total}; time left, one after the other: {format_duration(known)}{rest}"
    return [*lines, *problem_lines(plan), left]


class Progress:
    """Prints the status of a sweep in one line.

    Args:
        plan: plan of the sweep.
        jobs: jobs that the sweep runs, by name.
        estimate: estimate of their durations.
        workers: number of jobs that run at the same time.
    """

    def __init__(self, plan: Plan, jobs: Mapping[str, Job], estimate: Estimate, workers: int) -> None:
        self.jobs, self.estimate, self.workers = jobs, estimate, workers
        self.title = variant_name(plan.benchmark.name, plan.epochs)
        self.terminal = sys.stdout.isatty()

    def __call__(self, status: SweepStatus) -> None:
        for name, state in status.states.items():
            if state == "done":
                self.estimate.learn(self.jobs[name])
        open_jobs = [self.jobs[name] for name, state in status.states.items() if state not in ("done", "failed")]
        seconds = [self.estimate.seconds(job) for job in open_jobs]
        left = ""
        if open_jobs and None not in seconds:
            left = f"; {format_duration(sum(seconds) / self.workers)} left"
        line = f"{self.title}: {status.line()}{left}"
        if self.terminal:
            print(f"\r\033[K{line}", end="", flush=True)
        else:
            print(line, flush=True)

    def close(self) -> None:
        """End the line on a terminal."""
        if self.terminal:
            print()
