"""The file that assigns a run to each cell of a benchmark; ptycho-sweep writes it and ptycho-report reads it.

Nothing in it can name code or a place outside outputs_dir.
"""

import functools
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ptycho_bench.benchmark.definition import MOST_CELLS, Benchmark, Seed
from ptycho_bench.benchmark.validation import Commands, Folder, Name, Scalar
from ptycho_bench.config.validation import Strict, shortened, validated

PLAN = "plan.json"
LARGEST_PLAN = 2**26  # bytes; `MOST_CELLS` cells take a tenth of it


class PlannedRun(Strict):
    """The run that fills one cell.

    Args:
        group: group of the row.
        row: label of the row.
        value: value of what varies; None if nothing does.
        seed: seed of the training; None if the run has none (see `Cell`).
        folder: folder of the run relative to outputs_dir.
        command: command line that repeats the run, and the training before it if the run needs one; "" if unknown.
    """

    group: str
    row: str
    value: Scalar
    seed: Seed | None
    folder: Folder
    command: Commands = ""


class PlanFile(Strict):
    """Content of plan.json.

    Args:
        name: name of the benchmark.
        epochs: epochs of a shortened variant; None for full length.
        benchmark: definition of the benchmark as plain data.
        cells: run of each cell.
    """

    name: Name
    epochs: Annotated[int, Field(ge=1)] | None
    benchmark: dict[str, object]
    cells: Annotated[list[PlannedRun], Field(min_length=1, max_length=MOST_CELLS)]

    @functools.cached_property
    def definition(self) -> Benchmark:
        """The benchmark.

        Raises:
            ValueError: If the definition is not valid.
        """
        return Benchmark.of(self.name, self.benchmark)


def plan_folder(outputs_dir: str | Path, name: str, epochs: int | None) -> Path:
    """Return the folder with the plan, logs and report of a benchmark or of its shortened variant."""
    return Path(outputs_dir) / "benchmarks" / variant_name(name, epochs)


def variant_name(name: str, epochs: int | None) -> str:
    """Return the name of a benchmark or of its shortened variant.

    >>> variant_name("ppn_table2", 3)
    'ppn_table2-3-epochs'
    """
    return name if epochs is None else f"{name}-{epochs}-epochs"


def read_plan(path: Path) -> PlanFile:
    """Read and check a plan.

    Raises:
        ValueError: If the file is missing, damaged or does not fit its benchmark.
    """
    if not path.is_file():
        raise ValueError(f"no plan {path}; run ptycho-sweep, which writes it")
    try:
        if path.stat().st_size > LARGEST_PLAN:
            raise ValueError(f"is larger than {LARGEST_PLAN // 2**20} MiB, so it is no plan")
        plan = validated(PlanFile, path.read_bytes(), str(path))
        check_cells(plan)
    except ValueError as error:
        where = "" if str(error).startswith(str(path)) else f"{path}: "
        raise ValueError(f"{where}{error}; run ptycho-sweep again") from None
    return plan


def check_cells(plan: PlanFile) -> None:
    """Raise ValueError if a cell is not in the benchmark or occurs twice."""
    places = {(row.group, row.label, value) for row in plan.definition.rows for value in plan.definition.values}
    known = set()
    for number, run in enumerate(plan.cells):
        place = (run.group, run.row, run.value)
        if place not in places:
            raise ValueError(f"cells.{number}: the benchmark has no row {shortened(repr(place))}")
        if (*place, run.seed) in known:
            raise ValueError(f"cells.{number}: {shortened(repr(place))} has two runs with seed {run.seed}")
        known.add((*place, run.seed))
