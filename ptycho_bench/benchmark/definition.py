"""Definition of a table or figure that is filled by runs; each file of conf/benchmark/ describes one."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from ptycho_bench.benchmark.rows import Overrides, Printed, Row
from ptycho_bench.benchmark.validation import Key, Name, Scalar, Text, Value
from ptycho_bench.config.validation import Strict, shortened, validated

MOST_CELLS = 10_000
METRIC = re.compile(
    r"amplitude_(mse|mae|psnr_db|ssim)|phase(_aligned)?_(mse|mae|psnr_db|ssim|wrapped_mae_rad)"
    r"|(amplitude|phase)_(ssim_flattened|band_(low|middle|high))|frc_resolution_px|diffraction_misfit"
    r"|seconds|seconds_per_epoch|parameters_mib|convergence_epochs|gflops|milliseconds"
)
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def metric_name(text: str) -> str:
    """Return the name of a metric of results.json."""
    if not METRIC.fullmatch(text):
        raise ValueError(f"{shortened(repr(text))} is not a metric; use a name from results.json such as phase_ssim")
    return text


def seed_key(text: str) -> str:
    """Return the key of a seed inside a group of conf/."""
    if not text.endswith(".seed"):
        raise ValueError(
            f"{shortened(repr(text))} is not the key of a seed such as data.seed; seed itself varies anyway"
        )
    return text


class Vary(Strict):
    """A value that varies within a benchmark.

    Args:
        label: name in reports.
        key: override that varies.
        values: its values.
        of: training, or testing if networks are trained once and tested at each value.
    """

    label: Text
    key: Key
    values: Annotated[list[Scalar], Field(min_length=1, max_length=MOST_CELLS)]
    of: Literal["training", "testing"]

    @model_validator(mode="after")
    def check_values(self) -> Self:
        """Check that no value is repeated or null."""
        if None in self.values or len(set(self.values)) < len(self.values):
            raise ValueError(f"values must differ and must not be null, got {shortened(repr(self.values))}")
        return self


class Cell(NamedTuple):
    """The place of one run in a benchmark.

    row: its row.
    value: value of what varies; None if nothing does.
    seed: seed of the training; None for a solver or a reference predictor if seeds leave its data unchanged.
    """

    row: Row
    value: Value
    seed: int | None


class Benchmark(Strict):
    """A table or figure.

    Args:
        name: name of its file.
        title: title in reports.
        source: where the paper prints its numbers; None if the benchmark is this project's own.
        note: what a reader must know to understand the table, or None.
        base: overrides that all rows share; those of a row come after them.
        seeds: seeds of the trainings.
        seeded: further keys of ptycho-train that take the seed of the run, such as data.seed.
        same_data: whether rows of one group must have the same data; False for a table about differences in the data.
        part: whether numbers are those of the stitched test field or means over its patches.
        metrics: for each metric which numbers are better: higher, lower, or none if no order is meant.
        groups: overrides of each group; rows without a group of their own occur once in each.
        rows: its rows.
        vary: what varies, or None.
        figures: names of the figures that a report draws.
    """

    name: str
    title: Text
    source: Text | None
    note: Text | None = None
    base: Overrides
    seeds: Annotated[list[Seed], Field(min_length=1, max_length=MOST_CELLS)]
    seeded: Annotated[list[Annotated[Key, AfterValidator(seed_key)]], Field(max_length=100, default_factory=list)]
    same_data: bool = True
    part: Literal["stitched", "patch_mean"]
    metrics: Annotated[
        dict[Annotated[str, AfterValidator(metric_name)], Literal["higher", "lower", "none"]], Field(min_length=1)
    ]
    groups: Annotated[dict[Text, Overrides], Field(max_length=100, default_factory=dict)]
    rows: Annotated[list[Row], Field(min_length=1, max_length=1000)]
    vary: Vary | None = None
    figures: Annotated[list[Name], Field(max_length=100, default_factory=list)]

    @classmethod
    def of(cls, name: str, node: Mapping) -> Self:
        """Return a benchmark from plain data, with its rows multiplied by its groups.

        Raises:
            ValueError: If a key is missing or unknown, or a value is impossible.
        """
        if not isinstance(node, Mapping) or "name" in node:
            raise ValueError(f"benchmark {name}: must be a mapping without the key name, which the file's name gives")
        found = validated(cls, {**node, "name": name}, f"benchmark {name}")
        return found.model_copy(update={"rows": found.rows_of_groups(), "groups": {}})

    @model_validator(mode="after")
    def check_cells(self) -> Self:
        """Check seeds, rows and the number of cells."""
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ, got {shortened(repr(self.seeds))}")
        for place, row in enumerate(self.rows):
            self.check_paper(f"rows.{place}.paper", row)
        copies = [1 if row.group is not None else max(1, len(self.groups)) for row in self.rows]
        count = sum(copies) * len(self.values) * len(self.seeds)
        if count > MOST_CELLS:
            raise ValueError(f"at most {MOST_CELLS} cells are allowed, got {count}; reduce the rows, values or seeds")
        labels = Counter((row.group, row.label) for row in self.rows_of_groups())
        if repeated := [label for (_, label), occurrences in labels.items() if occurrences > 1]:
            raise ValueError(f"rows: each label must occur once in its group, but {repeated[0]!r} is repeated")
        return self

    def check_paper(self, where: str, row: Row) -> None:
        """Check that the paper's numbers of a row belong to groups and metrics of the benchmark."""
        numbers = {None: row.paper}
        if row.by_group:
            numbers = row.paper
            groups = set(self.groups) if row.group is None else set()
            if unknown := [group for group in numbers if group not in groups]:
                raise ValueError(f"{where}: {unknown[0]!r} is not a group of this row ({', '.join(groups) or 'none'})")
        for metric in (metric for entry in numbers.values() for metric in entry or ()):
            if metric not in self.metrics:
                raise ValueError(f"{where}: {metric!r} is not a metric of this benchmark ({', '.join(self.metrics)})")

    def rows_of_groups(self) -> list[Row]:
        """Return the rows of each group in turn, then the rows that have a group of their own."""
        shared = [row for row in self.rows if row.group is None]
        own = [row for row in self.rows if row.group is not None]
        groups = self.groups or {"": {}}
        rows = [row.in_group(group, overrides) for group, overrides in groups.items() for row in shared]
        return [row.model_copy(update={"paper": without_none(row.paper)}) for row in rows + own]

    def cells(self) -> Iterator[Cell]:
        """Return every cell, row by row."""
        for row in self.rows:
            for value in self.values:
                for seed in (None,) if row.run is None and not self.seeded else self.seeds:
                    yield Cell(row, value, seed)

    @property
    def values(self) -> list[Value]:
        """Values of what varies; a single None if nothing does."""
        return [None] if self.vary is None else list(self.vary.values)

    def training(self, row: Row, value: Value) -> dict[str, Value]:
        """Return the overrides of ptycho-train for a cell, without the seed."""
        varied = {self.vary.key: value} if self.vary is not None and self.vary.of == "training" else {}
        return {**self.base, **(row.run or {}), **varied}

    def testing(self, row: Row, value: Value, seed: int | None) -> dict[str, Value]:
        """Return the overrides of the test: of ptycho-evaluate, or of the scan that a solver solves.

        They are empty for a network's own test. What they do not name is that of the network's training. Other data
        than those of the training take the seed where `seeded` names a value of the data.
        """
        varied = {self.vary.key: value} if self.vary is not None and self.vary.of == "testing" else {}
        testing = {**(row.reference or {}), **row.test, **varied}
        if seed is None or "data" not in testing:
            return testing
        return {**{key: seed for key in self.seeded if key.startswith("data.")}, **testing}

    def network_for(self, row: Row) -> Row:
        """Return the first network of a row's group, on whose test field a solver or a reference predictor is scored.

        Raises:
            ValueError: If the group has no network.
        """
        for other in self.rows:
            if other.run is not None and other.group == row.group:
                return other
        where = f"group {row.group!r} of benchmark {self.name}" if row.group else f"benchmark {self.name}"
        raise ValueError(
            f"{where} has no network on whose test field {row.label!r} could be scored; add a row with run"
        )

    def group_names(self) -> list[str]:
        """Return the names of the groups of rows, in order."""
        return list(dict.fromkeys(row.group for row in self.rows))


def without_none(paper: Mapping[str, Printed | None]) -> dict[str, Printed]:
    """Return the paper's numbers without the metrics for which it prints none."""
    return {metric: number for metric, number in paper.items() if number is not None}
