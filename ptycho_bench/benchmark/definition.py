"""A table or figure to be filled by runs, as conf/benchmark/ describes it: plain data, checked."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

DIRECTIONS = ("higher", "lower")
PARTS = ("stitched", "patch_mean")
OF = ("training", "testing")
METRIC = re.compile(
    r"amplitude_(mse|mae|psnr_db|ssim)|phase(_aligned)?_(mse|mae|psnr_db|ssim|wrapped_mae_rad)"
    r"|seconds|seconds_per_epoch|parameters_mib|convergence_epochs|gflops|milliseconds"
)
Value = str | int | float | bool | list | None


class Printed(NamedTuple):
    """A number as a paper prints it, in this package's unit.

    mean: the number.
    std: its printed spread; None: none is printed.
    """

    mean: float
    std: float | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table: a network, or a solver.

    Args:
        label: how reports name it.
        group: rows of one group are compared with each other, as noise-free with noise-free.
        run: overrides of ptycho-train; None: a solver's row.
        test: overrides of ptycho-evaluate, where a trained network is tested on other data; empty: on its own.
        solve: overrides of ptycho-reconstruct; None: a network's row.
        paper: what the paper prints of each metric.
    """

    label: str
    group: str
    run: Mapping[str, Value] | None
    test: Mapping[str, Value]
    solve: Mapping[str, Value] | None
    paper: Mapping[str, Printed]


@dataclass(frozen=True, kw_only=True)
class Vary:
    """A value that changes along the table.

    Args:
        label: how reports name it.
        key: what is overridden.
        values: by what.
        of: training, or testing: networks are trained once and tested on each.
    """

    label: str
    key: str
    values: tuple[Value, ...]
    of: str


class Cell(NamedTuple):
    """One run's place in a benchmark.

    row: its line.
    value: of what varies; None: nothing does.
    seed: of the training; None: a solver's row has none.
    """

    row: Row
    value: Value
    seed: int | None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A table or figure.

    Args:
        name: of its file.
        title: what it is.
        source: where the paper's numbers are printed; None: it is this project's own.
        note: what a reader must know to read it; or None.
        base: overrides all rows have in common; a row's own come after them.
        seeds: of the trainings.
        part: stitched or patch_mean.
        metrics: name to `higher` or `lower`, whichever is better.
        rows: its lines.
        vary: what changes along it; or None.
        figures: which pictures a report draws.
    """

    name: str
    title: str
    source: str | None
    note: str | None
    base: Mapping[str, Value]
    seeds: tuple[int, ...]
    part: str
    metrics: Mapping[str, str]
    rows: tuple[Row, ...]
    vary: Vary | None
    figures: tuple[str, ...]

    @classmethod
    def of(cls, name: str, node: Mapping) -> Self:
        """From plain data.

        Raises:
            ValueError: a key that is missing or unknown, or a value that is impossible.
        """
        node = dict(node)
        check_keys(f"benchmark {name}", node, required={"title", "source", "base", "seeds", "part", "metrics", "rows"},
                   optional={"note", "vary", "figures"})  # fmt: skip
        if node["part"] not in PARTS:
            raise ValueError(f"benchmark {name}: part must be {' or '.join(PARTS)}, got {node['part']!r}")
        metrics = dict(node["metrics"])
        for metric, direction in metrics.items():
            if direction not in DIRECTIONS:
                raise ValueError(f"benchmark {name}: {metric} must be {' or '.join(DIRECTIONS)}, got {direction!r}")
            if not METRIC.fullmatch(metric):
                raise ValueError(f"benchmark {name}: no metric {metric!r}; see results.json, as phase_aligned_psnr_db")
        seeds = tuple(node["seeds"])
        if not seeds or len(set(seeds)) < len(seeds):
            raise ValueError(f"benchmark {name}: seeds must be one or more numbers, each once, got {list(seeds)}")
        return cls(
            name=name,
            title=node["title"],
            source=node["source"],
            note=node.get("note"),
            base=dict(node["base"]),
            seeds=seeds,
            part=node["part"],
            metrics=metrics,
            rows=rows_of(name, node["rows"], metrics),
            vary=None if node.get("vary") is None else vary_of(name, node["vary"]),
            figures=tuple(node.get("figures") or ()),
        )

    def cells(self) -> Iterator[Cell]:
        """Every place of the table, row by row."""
        for row in self.rows:
            for value in (None,) if self.vary is None else self.vary.values:
                for seed in (None,) if row.run is None else self.seeds:
                    yield Cell(row, value, seed)

    def training(self, row: Row, value: Value) -> dict[str, Value]:
        """Overrides of ptycho-train for a place of the table, but for the seed."""
        varied = {self.vary.key: value} if self.vary is not None and self.vary.of == "training" else {}
        return {**self.base, **(row.run or {}), **varied}

    def testing(self, row: Row, value: Value) -> dict[str, Value]:
        """Overrides of ptycho-evaluate, or of the scan a solver solves; empty: the run's own test is meant."""
        varied = {self.vary.key: value} if self.vary is not None and self.vary.of == "testing" else {}
        return {**row.test, **varied}

    def groups(self) -> list[str]:
        """Names of the groups of rows, in order."""
        return list(dict.fromkeys(row.group for row in self.rows))


def check_keys(where: str, node: Mapping, *, required: set[str], optional: set[str]) -> None:
    """Raise ValueError for a key that is missing or unknown."""
    if missing := sorted(required - set(node)):
        raise ValueError(f"{where} has no {', '.join(missing)}")
    if unknown := sorted(set(node) - required - optional):
        raise ValueError(f"{where} has no place for {', '.join(unknown)}; it takes {', '.join(sorted(optional))}")


def rows_of(name: str, nodes: list, metrics: Mapping[str, str]) -> tuple[Row, ...]:
    """Rows from plain data; see `Benchmark.of`."""
    rows = []
    for node in nodes:
        where = f"benchmark {name}, row {node.get('label', len(rows) + 1)!r}"
        check_keys(where, node, required={"label"}, optional={"group", "run", "test", "solve", "paper"})
        if (node.get("run") is None) == (node.get("solve") is None):
            raise ValueError(f"{where} must have run, a network's overrides, or solve, a solver's")
        paper = dict(node.get("paper") or {})
        if unknown := sorted(set(paper) - set(metrics)):
            raise ValueError(f"{where}: the paper's {', '.join(unknown)} is none of the metrics {', '.join(metrics)}")
        rows.append(
            Row(
                label=node["label"],
                group=node.get("group") or "",
                run=None if node.get("run") is None else dict(node["run"]),
                test=dict(node.get("test") or {}),
                solve=None if node.get("solve") is None else dict(node["solve"]),
                paper={metric: printed(value) for metric, value in paper.items() if value is not None},
            )
        )
    names = [(row.group, row.label) for row in rows]
    if not rows or len(set(names)) < len(names):
        raise ValueError(f"benchmark {name}: rows must be one or more, each label once in its group")
    return tuple(rows)


def printed(value: float | list[float]) -> Printed:
    """A printed number, or a pair of it and its spread."""
    return Printed(*value) if isinstance(value, (list, tuple)) else Printed(float(value), None)


def vary_of(name: str, node: Mapping) -> Vary:
    """What varies, from plain data; see `Benchmark.of`."""
    where = f"benchmark {name}, vary"
    check_keys(where, node, required={"label", "key", "values", "of"}, optional=set())
    if node["of"] not in OF or not node["values"]:
        raise ValueError(f"{where}: of must be {' or '.join(OF)} and values at least one, got {dict(node)}")
    return Vary(label=node["label"], key=node["key"], values=tuple(node["values"]), of=node["of"])
