"""ptycho-sweep: run what is missing of a benchmark's table, on this machine or a cluster."""

import shlex
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ptycho_bench.benchmark.plan import Job, Plan

CONFIG = "sweep"
FLAGS = {"--dry-run": "dry_run=true", "--print": "print=true"}

USAGE = """
ptycho-sweep runs what is missing of a table: done runs are skipped, cut ones go on, failed ones are tried again.

  ptycho-sweep benchmark=ppn_table2                     every row with its ten seeds
  ptycho-sweep benchmark=ppn_table2 seeds=[0] epochs=3  a shortened variant, kept apart and labelled so
  ptycho-sweep benchmark=leaderboard workers=4 trainer=gpu
  ptycho-sweep benchmark=ppn_table1 --dry-run           the runs, and how long they take
  ptycho-sweep benchmark=ppn_table1 --print             the commands of what is missing, for a shell or a queue
  ptycho-sweep benchmark=ppn_table1 --index $PBS_ARRAY_INDEX    one job, by its number in --dry-run
  ptycho-sweep benchmark=ppn_table1 launcher=submitit cluster_options={timeout_min:60,gpus_per_node:1}
  ptycho-sweep -m benchmark=ppn_table1,ppn_table2       one table after the other

ptycho-report benchmark=NAME makes the table.

Choices, as group=default and what else there is:
"""


def task(cfg: "DictConfig") -> None:
    """Plan, then list, print or run."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from ptycho_bench.benchmark.definition import Benchmark
    from ptycho_bench.benchmark.plan import make_plan

    node = OmegaConf.to_container(cfg.benchmark, resolve=True)
    benchmark = Benchmark.of(HydraConfig.get().runtime.choices.benchmark, node)
    if cfg.seeds is not None:
        benchmark = Benchmark.of(benchmark.name, {**node, "seeds": seeds_of(cfg.seeds)})
    if cfg.workers < 1:
        raise ValueError(f"workers must be at least 1, got {cfg.workers}")
    plan = make_plan(benchmark, cfg)
    if cfg.dry_run:
        print("\n".join(listed(plan, cfg.outputs_dir)))
    elif cfg.print:
        left = [job for job in plan.jobs.values() if job.state() not in ("done", "running")]
        print("\n".join(" && ".join(map(shlex.join, job.commands)) for job in left))
    else:
        recorded(plan, node, cfg)
        run(plan, chosen(plan, cfg.index), cfg)


def seeds_of(seeds: object) -> list[int]:
    """Seeds of a command line: a list, or one number."""
    from omegaconf import OmegaConf

    return list(seeds) if OmegaConf.is_list(seeds) else [seeds]


def recorded(plan: "Plan", node: dict, cfg: "DictConfig") -> None:
    """Write the plan that a report reads.

    Seeds that were swept before stay in it. Where the benchmark itself has changed, the plan takes the place of the one
    before, and that is said.
    """
    from ptycho_bench.benchmark.definition import Benchmark
    from ptycho_bench.benchmark.plan import make_plan

    seeds = list(plan.benchmark.seeds)
    if (before := plan.before()) is not None:
        earlier = before["benchmark"].pop("seeds")
        if before["benchmark"] == {key: value for key, value in node.items() if key != "seeds"}:
            seeds = sorted({*seeds, *earlier})
        else:
            print(f"{plan.benchmark.name} has changed since it was swept; its table is now that of this command")
    node = {**node, "seeds": seeds}
    if seeds != list(plan.benchmark.seeds):
        plan = make_plan(Benchmark.of(plan.benchmark.name, node), cfg)
    plan.write(node)


def chosen(plan: "Plan", index: int | None) -> "dict[str, Job]":
    """All jobs, or the one of an index with those it needs.

    The index counts all jobs of the plan, done or not, so that every task of an array means the same one.

    Raises:
        ValueError: an index the plan does not have.
    """
    if index is None:
        return plan.jobs
    names = list(plan.jobs)
    if not 0 <= index < len(names):
        raise ValueError(f"index must lie in [0, {len(names) - 1}], the jobs of {plan.benchmark.name}, got {index}")
    job = plan.jobs[names[index]]
    needed = {} if job.after is None else {job.after: plan.jobs[job.after]}
    return {**needed, job.name: job}


def run(plan: "Plan", jobs: "dict[str, Job]", cfg: "DictConfig") -> None:
    """Work off jobs and say how it went.

    Raises:
        ValueError: some failed, or an unknown launcher.
    """
    from ptycho_bench.benchmark.durations import Estimate
    from ptycho_bench.benchmark.workers import run_jobs, visible_gpus

    progress = Progress(plan, jobs, Estimate.read(cfg.outputs_dir), cfg.workers)
    settings = {"retry_failed": cfg.retry_failed, "logs": plan.folder / "logs", "show": progress}
    if cfg.launcher == "processes":
        pinned = cfg.trainer not in ("cpu", "ddp")
        gpus = list(cfg.gpus) if cfg.gpus is not None else visible_gpus() if pinned else []
        tally = run_jobs(jobs, workers=cfg.workers, gpus=gpus, **settings)
    elif cfg.launcher == "submitit":
        from ptycho_bench.benchmark.cluster import submit

        tally = submit(jobs, cluster=cfg.cluster, options=dict(cfg.cluster_options or {}), **settings)
    else:
        raise ValueError(f"launcher must be processes or submitit, got {cfg.launcher!r}")
    progress.close()
    if tally.reasons:
        for name, reason in tally.reasons.items():
            print(f"failed: {name}: {reason}")
        raise ValueError(f"{len(tally.reasons)} of {len(jobs)} jobs failed; the same command tries them again")
    print(f"next: ptycho-report {' '.join(report_words(plan))}")


def report_words(plan: "Plan") -> list[str]:
    """What a report of this plan is asked for by."""
    return [f"benchmark={plan.benchmark.name}", *([] if plan.epochs is None else [f"epochs={plan.epochs}"])]


def listed(plan: "Plan", outputs_dir: str) -> list[str]:
    """A plan's jobs with their state and how long they take, a line each, and the sum."""
    from ptycho_bench.benchmark.durations import Estimate

    estimate = Estimate.read(outputs_dir)
    lines, known, unknown = [], 0.0, 0
    for number, job in enumerate(plan.jobs.values()):
        state = job.state()
        seconds = 0.0 if state == "done" else estimate.seconds(job)
        known, unknown = known + (seconds or 0.0), unknown + (seconds is None)
        takes = "" if state == "done" else f"  {format_duration(seconds)}"
        lines.append(f"{number:4d}  {state:8s}{job.name}{takes}")
    rest = f", and {unknown} of a kind that was never run here" if unknown else ""
    lines.append(f"{len(plan.jobs)} jobs for {len(plan.places)} cells; left, one by one: {format_duration(known)}{rest}")
    return lines


class Progress:
    """The line that says how a sweep stands.

    Args:
        plan: the whole.
        jobs: what is worked off.
        estimate: how long jobs take.
        workers: at once.
    """

    def __init__(self, plan: "Plan", jobs: "Mapping[str, Job]", estimate: object, workers: int) -> None:
        self.jobs, self.estimate, self.workers = jobs, estimate, workers
        self.title = "-".join(filter(None, (plan.benchmark.name, plan.epochs and f"{plan.epochs} epochs")))
        self.terminal, self.started = sys.stdout.isatty(), time.monotonic()

    def __call__(self, tally: "SweepStatus") -> None:

        for name, state in tally.states.items():
            if state == "done":
                self.estimate.learn(self.jobs[name])
        open_jobs = [self.jobs[name] for name, state in tally.states.items() if state not in ("done", "failed")]
        seconds = [self.estimate.seconds(job) for job in open_jobs]
        left = ""
        if open_jobs and None not in seconds:
            left = f"; {format_duration(sum(seconds) / self.workers)} left"
        line = f"{self.title}: {tally.line()}{left}"
        if self.terminal:
            print(f"\r\033[K{line}", end="", flush=True)
        else:
            print(line, flush=True)

    def close(self) -> None:
        """End the line."""
        if self.terminal:
            print()


def flags_to_overrides(words: list[str]) -> list[str]:
    """A command line with its flags as overrides.

    >>> flags_to_overrides(["benchmark=ppn_table2", "--dry-run", "--index", "3"])
    ['benchmark=ppn_table2', 'dry_run=true', 'index=3']

    Raises:
        ValueError: --index without a number.
    """
    changed, words = [], list(words)
    while words:
        word = words.pop(0)
        if word == "--index":
            if not words or not words[0].isdigit():
                raise ValueError("--index wants the number of a job, from 0")
            changed.append(f"index={words.pop(0)}")
        else:
            changed.append(FLAGS.get(word, word))
    return changed


def main() -> None:
    """Entry point."""
    rewrite_words(flags_to_overrides, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()
