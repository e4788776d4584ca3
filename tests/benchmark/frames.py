"""Results of a benchmark without files: two networks and a solver, whose numbers a test chooses."""

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path

import pandas

from ptycho_bench.benchmark.collect import Results
from ptycho_bench.benchmark.definition import Benchmark

RUN = {
    "group": "", "value": "", "status": "done", "reason": "", "choices": "split=disjoint model=w3", "epochs": "4",
    "commit": "cccccccccc", "data": "dddddddddd", "machine": "a processor", "seconds": "12", "constant": nan,
    "block_low": nan, "block_high": nan, "not_learned": "", "command": "", "leak_patches": nan, "leak_field": nan,
    "leak_scored": nan,
}  # fmt: skip
PSNR = "phase_aligned_psnr_db"


def lines_of(row: str, numbers: Sequence[float], metric: str = PSNR, **changes: object) -> list[dict]:
    """Return the lines of a row, one per seed.

    Args:
        row: label of the row.
        numbers: number of each seed, counted from 0.
        metric: name of the metric.
        changes: other columns; a list holds one entry for each seed.
    """
    lines = []
    for seed, number in enumerate(numbers):
        line = {**RUN, "row": row, "seed": seed, "metric": metric, "number": number, "folder": f"runs/b/{row}-s{seed}"}
        lines.append(line | {key: value[seed] if isinstance(value, list) else value for key, value in changes.items()})
    return lines


def solver_lines(row: str, number: float, metric: str = PSNR, **changes: object) -> list[dict]:
    """Return the line of a solver, which has no seed unless one is given."""
    return lines_of(row, [number], metric, **{"seed": None, "folder": f"solved/b/{row}", **changes})


def results_of(lines: Sequence[Mapping], *, epochs: int | None = None, **changes: object) -> Results:
    """Return the results of a benchmark with the rows and metrics of some lines.

    Args:
        lines: lines of the frame.
        epochs: epochs of a shortened variant.
        changes: keys of the benchmark.
    """
    frame = pandas.DataFrame(lines).astype({"seed": "Int64", "number": float})
    frame["value"] = pandas.Series([line["value"] for line in lines], dtype=object)
    seeds = sorted(frame["seed"].dropna().unique().tolist())
    kinds = {(line["row"], line["group"]): "solve" if line["folder"].startswith("solved/") else "run" for line in lines}
    rows = [
        {"label": row, kind: {"solver": "epie"} if kind == "solve" else {"model": "w3"}}
        | ({"group": group} if group else {})
        for (row, group), kind in kinds.items()
    ]
    node = {
        "title": "A table", "source": None, "base": {}, "seeds": seeds or [0], "part": "stitched",
        "metrics": dict.fromkeys(frame["metric"], "higher"), "rows": rows,
    }  # fmt: skip
    benchmark = Benchmark.of("small", {**node, **changes})
    return Results(benchmark=benchmark, epochs=epochs, outputs_dir=Path("outputs"), frame=frame)
