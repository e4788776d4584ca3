"""ptycho-report: a benchmark's table, statistics and figures from its runs' folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_bench.cli.entry import rewrite_words, run_command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ptycho_bench.benchmark.tables import Table

CONFIG = "report"

USAGE = """
ptycho-report makes the table of a benchmark from the runs that ptycho-sweep left; it never trains.

  ptycho-report benchmark=ppn_table2                  Markdown, HTML, CSV and LaTeX, with figures
  ptycho-report benchmark=ppn_table2 epochs=2         of its shortened variant
  ptycho-report benchmark=[ppn_table1,ppn_table2]     both on one page
  ptycho-report benchmark=all                         all there are, full length and shortened
  ptycho-report benchmark=leaderboard out=FOLDER      elsewhere than beside the plan

What it can be told:
"""


def task(cfg: "DictConfig") -> None:
    """Collect, tabulate, draw, write."""
    from omegaconf import OmegaConf

    from ptycho_bench.benchmark.collect import collect
    from ptycho_bench.benchmark.tables import make_table
    from ptycho_bench.report.figures import make_figures
    from ptycho_bench.report.page import page

    outputs = Path(cfg.outputs_dir)
    names = list(cfg.tables) if OmegaConf.is_list(cfg.tables) else [cfg.tables]
    plans = plans_of(outputs, names, cfg.epochs)
    made, failed = [], []
    for plan in plans:
        try:
            collected = collect(plan, outputs)
            table = make_table(collected)
            figures = make_figures(collected, table) if cfg.figures else {}
        except ValueError as error:
            if len(plans) == 1:
                raise
            failed.append(f"{plan.parent.name}: {error}")
            continue
        folder = Path(cfg.out) / plan.parent.name if cfg.out else plan.parent / "report"
        write(folder, table, figures)
        print(summary(table, folder))
        made.append((table, figures))
    if len(made) > 1:
        from ptycho_bench.records.run_folder import write_text

        path = (Path(cfg.out) if cfg.out else outputs / "benchmarks") / "index.html"
        tables = [(table, {}) for table, _ in made]  # figures are on each one's own page
        write_text(path, page(tables, "ptycho_bench: benchmarks", reports_beside(path)))
        print(f"-> {path}")
    if failed:
        print("\n".join(f"failed: {line}" for line in failed))
        raise ValueError(f"{len(failed)} of {len(plans)} tables cannot be made; the others are written")


def reports_beside(index: Path) -> list[tuple[str, str]]:
    """Title and place of every report below the index page, also of those whose runs are on other machines."""
    found = []
    for page in sorted(index.parent.rglob("report.html")):
        text = page.with_name("report.md")
        lines = text.read_text().splitlines() if text.is_file() else []
        place = page.relative_to(index.parent).as_posix()
        found.append((lines[0].removeprefix("# ") if lines else place, place))
    return found


def plans_of(outputs: Path, names: list[str], epochs: int | None) -> list[Path]:
    """Plan files of the named benchmarks.

    Raises:
        ValueError: there is none.
    """
    from ptycho_bench.benchmark.shortened import PLAN, plan_folder

    if names == ["all"]:
        found = sorted((outputs / "benchmarks").glob(f"*/{PLAN}"))
        if not found:
            raise ValueError(f"no benchmark was swept in {outputs}/benchmarks; ptycho-sweep benchmark=NAME does that")
        return found
    return [plan_folder(outputs, name, epochs) / PLAN for name in names]


def write(folder: Path, table: "Table", figures: Mapping[str, bytes]) -> None:
    """All forms of a table."""
    from ptycho_bench.data.atomic import write_bytes
    from ptycho_bench.records.run_folder import write_text
    from ptycho_bench.report.page import page
    from ptycho_bench.report.render import comma_separated, latex, markdown, pairs_csv

    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for old in (folder / "figures").glob("*.png"):
        old.unlink()
    for name, png in figures.items():
        write_bytes(folder / "figures" / f"{name}.png", png)
    write_text(folder / "report.md", markdown(table, [f"figures/{name}.png" for name in figures]))
    write_text(folder / "report.html", page([(table, figures)], table.title))
    write_text(folder / "table.csv", comma_separated(table))
    write_text(folder / "table.tex", latex(table))
    write_text(folder / "pairs.csv", pairs_csv(table))


def summary(table: "Table", folder: Path) -> str:
    """How much of a table is there, in a line."""
    entries = [entry for line in table.lines for entry in line.entries]
    done = sum(entry.status == "done" for entry in entries)
    return f"{table.title}: {done} of {len(entries)} runs done -> {folder}/report.html, .md, table.csv, .tex"


def named(words: list[str]) -> list[str]:
    """A command line on which benchmark=NAME names tables that were swept, not a file of conf/benchmark.

    >>> named(["benchmark=all", "epochs=2"])
    ['tables=all', 'epochs=2']
    """
    return [f"tables={word.removeprefix('benchmark=')}" if word.startswith("benchmark=") else word for word in words]


def main() -> None:
    """Entry point."""
    rewrite_words(named, CONFIG)
    run_command(task, CONFIG, USAGE)


if __name__ == "__main__":
    main()
