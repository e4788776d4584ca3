"""Write the reports of benchmarks: tables, statistics and figures from the folders of their runs."""

import html
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.plan_file import PLAN, plan_folder
from ptycho_bench.benchmark.tables import Table, make_table
from ptycho_bench.report.own_files import FIGURES, replace_files

PACKAGES = ("jinja2", "pingouin")  # of the extra `report`: HTML and LaTeX, statistics


def write_reports(plans: Sequence[Path], outputs_dir: Path, *, out: Path | None, figures: bool) -> None:
    """Write the report of each plan and, for more than one, a page with all tables; print where they are.

    Args:
        plans: plan files.
        outputs_dir: folder that contains the runs.
        out: folder for the reports; None for the folder of each plan.
        figures: whether figures are drawn.

    Raises:
        ValueError: If a package is not installed or a table cannot be made; other tables are still written.
    """
    require_packages()
    tables, failed = [], []
    for plan in plans:
        folder = plan.parent / "report" if out is None else out / plan.parent.name
        try:
            table = make_table(collect(plan, outputs_dir))
            write_report(folder, table, draw_figures(table) if figures else {})
        except ValueError as error:
            if len(plans) == 1:
                raise
            failed.append(f"failed: {plan.parent.name}: {error}")
            continue
        tables.append(table)
        print(summary_line(table, folder))
    if len(tables) > 1:
        index = (outputs_dir / "benchmarks" if out is None else out) / "index.html"
        write_index(index, tables, outputs_dir)
        print(f"-> {index}")
    if failed:
        print("\n".join(failed))
        raise ValueError(f"{len(failed)} of {len(plans)} tables cannot be made; the others are written")


def require_packages() -> None:
    """Raise ValueError if a package that reports need is not installed."""
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise ValueError(f'ptycho-report needs {name}; pip install -e ".[report]"')


def plan_files(outputs_dir: Path, names: Sequence[str], epochs: int | None) -> list[Path]:
    """Return the plan files of benchmarks.

    Args:
        outputs_dir: folder that contains the runs.
        names: names of benchmarks; `all` for every benchmark with a plan, full length or shortened.
        epochs: epochs of a shortened variant; None for full length.

    Raises:
        ValueError: If `all` is asked for and there is no plan.
    """
    if list(names) != ["all"]:
        return [plan_folder(outputs_dir, name, epochs) / PLAN for name in names]
    found = sorted((outputs_dir / "benchmarks").glob(f"*/{PLAN}"))
    if not found:
        raise ValueError(f"no benchmark was swept in {outputs_dir}/benchmarks; run ptycho-sweep benchmark=NAME first")
    return found


def draw_figures(table: Table) -> dict[str, bytes]:
    """Return the figures of a table, PNG by file name without ending."""
    from ptycho_bench.report.figures import make_figures

    return make_figures(table)


def write_report(folder: Path, table: Table, figures: Mapping[str, bytes]) -> None:
    """Write a table in every form.

    Args:
        folder: folder of the report, which is created; files of an earlier report are replaced or deleted.
        table: the table.
        figures: its figures, PNG by file name without ending.

    Raises:
        ValueError: If one of the files exists and ptycho-report did not write it.
    """
    from ptycho_bench.report.latex import latex
    from ptycho_bench.report.page import page
    from ptycho_bench.report.render import markdown, pairs_csv, seeds_csv, table_csv

    drawn = {f"{FIGURES}/{name}.png": png for name, png in figures.items()}
    texts = {
        "report.md": markdown(table, list(drawn)),
        "report.html": page([(table, figures)], table.title, folder=folder),
        "table.csv": table_csv(table),
        "seeds.csv": seeds_csv(table),
        "table.tex": latex(table),
        "pairs.csv": pairs_csv(table),
    }
    contents = {**drawn, **{name: text.encode() for name, text in texts.items()}}
    replace_files(folder, contents, outputs_dir=table.results.outputs_dir)
    (folder / FIGURES).mkdir(exist_ok=True)


def write_index(index: Path, tables: Sequence[Table], outputs_dir: Path) -> None:
    """Write a page with several tables; their figures are on pages of their own, to which it links.

    Raises:
        ValueError: If the page exists and ptycho-report did not write it.
    """
    from ptycho_bench.report.page import page

    text = page(
        [(table, {}) for table in tables], "ptycho_bench: benchmarks", reports_below(index), folder=index.parent
    )
    replace_files(index.parent, {index.name: text.encode()}, outputs_dir)


def reports_below(index: Path) -> list[tuple[str, str]]:
    """Return title and relative address of every report below a page, including those of runs on other machines."""
    found = []
    for page in sorted(index.parent.rglob("report.html")):
        text = page.with_name("report.md")
        lines = text.read_text().splitlines() if text.is_file() else []
        address = page.relative_to(index.parent).as_posix()
        found.append((html.unescape(lines[0].removeprefix("# ")) if lines else address, quote(address)))
    return found


def summary_line(table: Table, folder: Path) -> str:
    """Return how many runs of a table are done or did not learn and where its report is, in one line."""
    runs = table.results.runs
    done, stuck = (runs["status"] == "done").sum(), (runs["not_learned"] != "").sum()
    counts = f"{done} of {len(runs)} runs done" + (f", {stuck} of them did not learn" if stuck else "")
    return f"{table.title}: {counts} -> {folder}/report.html, .md, table.csv, seeds.csv, table.tex"
