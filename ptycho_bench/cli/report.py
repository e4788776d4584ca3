"""ptycho-report: write a benchmark's table, statistics and figures from the folders of its runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG = "report"

USAGE = """
ptycho-report writes the table of a benchmark from the runs of ptycho-sweep; it never trains.

  ptycho-report benchmark=ppn_table2                  Markdown, HTML, CSV and LaTeX, with figures
  ptycho-report benchmark=ppn_table2 epochs=2         its shortened variant
  ptycho-report benchmark=[ppn_table1,ppn_table2]     both tables, and a page with both
  ptycho-report benchmark=all                         every table, full length and shortened
  ptycho-report benchmark=leaderboard out=FOLDER      in a folder of your choice instead of beside the plan

Values: epochs, out, figures; see conf/report.yaml.
"""


def task(cfg: "DictConfig") -> None:
    """Write the reports of the named benchmarks."""
    from omegaconf import OmegaConf

    from ptycho_bench.report.write import plan_files, write_reports

    out = None if cfg.out is None else Path(cfg.out)
    outputs_dir = Path(cfg.outputs_dir)
    names = list(cfg.tables) if OmegaConf.is_list(cfg.tables) else [cfg.tables]
    plans = plan_files(outputs_dir, names, cfg.epochs)
    write_reports(plans, outputs_dir, out=out, figures=cfg.figures)


def benchmark_to_tables(words: list[str]) -> list[str]:
    """Return a command line with benchmark=NAME replaced by tables=NAME; a report needs no file of conf/benchmark.

    >>> benchmark_to_tables(["benchmark=all", "epochs=2"])
    ['tables=all', 'epochs=2']
    """
    return [f"tables={word.removeprefix('benchmark=')}" if word.startswith("benchmark=") else word for word in words]


def main() -> None:
    """Run the command."""
    rewrite_words(benchmark_to_tables, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()
