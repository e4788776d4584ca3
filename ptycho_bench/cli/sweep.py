"""ptycho-sweep: run what is missing from a benchmark, on this machine or a cluster."""

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command
from ptycho_bench.config.overrides import flags_to_overrides

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "sweep"
FLAGS = {"--dry-run": "dry_run=true", "--print": "print=true"}
NUMBERS = {"--index": "index"}

USAGE = """
ptycho-sweep runs what is missing from a table; it skips finished runs and resumes interrupted or failed ones.

  ptycho-sweep benchmark=ppn_table2                     every row with its ten seeds
  ptycho-sweep benchmark=ppn_table2 seeds=[0] epochs=3  a shortened variant in its own folder, labelled as shortened
  ptycho-sweep benchmark=leaderboard workers=4 trainer=gpu
  ptycho-sweep benchmark=leaderboard workers_per_gpu=3  three runs on each GPU
  ptycho-sweep benchmark=leaderboard minutes=110        stops after 110 minutes; repeat it to continue
  ptycho-sweep benchmark=ppn_table1 --dry-run           list the runs and their durations
  ptycho-sweep benchmark=ppn_table1 --print             print the missing commands, for a shell or a queue
  ptycho-sweep benchmark=ppn_table1 --index $PBS_ARRAY_INDEX    run one job, by its number in --dry-run
  ptycho-sweep benchmark=ppn_table1 launcher=submitit cluster_options={timeout_min:60,gpus_per_node:1}
  ptycho-sweep -m benchmark=ppn_table1,ppn_table2       one table after the other

ptycho-report benchmark=NAME writes the table.

Other values, such as retry_failed and gpus, are listed in conf/sweep.yaml. Choices, each as group=default with its
options:
"""


def task(cfg: "DictConfig") -> None:
    """Plan a benchmark, then list, print or run its jobs."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from ptycho_bench.benchmark.definition import Benchmark
    from ptycho_bench.benchmark.durations import TimeLimit
    from ptycho_bench.benchmark.plan import make_plan
    from ptycho_bench.benchmark.planner import SweepOptions
    from ptycho_bench.benchmark.sweep import Launch, job_lines, missing_commands, save_plan, selected_jobs, sweep
    from ptycho_bench.config.build import check_type

    for name in ("retry_failed", "pictures", "dry_run", "print"):
        check_type(name, cfg[name], bool)
    check_type("epochs", cfg.epochs, int | None)
    for name in ("workers", "workers_per_gpu"):
        check_type(name, cfg[name], int | None)
    check_type("minutes", cfg.minutes, float | None)
    choices = HydraConfig.get().runtime.choices
    node = OmegaConf.to_container(cfg.benchmark, resolve=True)
    if cfg.seeds is not None:
        node["seeds"] = list(cfg.seeds) if OmegaConf.is_list(cfg.seeds) else [cfg.seeds]
    options = SweepOptions(
        outputs_dir=Path(cfg.outputs_dir),
        data_root=str(cfg.data_root),
        epochs=cfg.epochs,
        trainer=choices.trainer,
        pictures=cfg.pictures,
    )
    launch = Launch(
        launcher=cfg.launcher,
        workers=cfg.workers,
        workers_per_gpu=cfg.workers_per_gpu,
        gpus=None if cfg.gpus is None else list(cfg.gpus),
        limit=TimeLimit(cfg.minutes),
        retry_failed=cfg.retry_failed,
        cluster=cfg.cluster,
        cluster_options=dict(cfg.cluster_options or {}),
        command=shlex.join(["ptycho-sweep", *sys.argv[1:]]),
    )
    plan = make_plan(Benchmark.of(choices.benchmark, node), options)
    if cfg.dry_run:
        print("\n".join(job_lines(plan, options.outputs_dir)))
    elif cfg.print:
        print("\n".join(missing_commands(plan)))
    else:
        save_plan(plan, node, options)
        sweep(plan, selected_jobs(plan, cfg.index), launch, options)


def main() -> None:
    """Run the command."""
    rewrite_words(partial(flags_to_overrides, flags=FLAGS, numbers=NUMBERS), CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()
