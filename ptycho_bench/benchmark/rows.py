"""Rows of a benchmark: a network, a solver or a reference predictor, and the numbers that a paper prints for it."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, Self

from pydantic import Field, PlainValidator, model_validator

from ptycho_bench.benchmark.validation import LARGEST, Key, Text, Value
from ptycho_bench.config.predictors import REFERENCES
from ptycho_bench.config.validation import Strict, shortened

Overrides = dict[Key, Value]


class Printed(NamedTuple):
    """A number that a paper prints, in this package's unit.

    mean: the number.
    std: its printed spread, or None.
    """

    mean: float
    std: float | None


def printed(value: object) -> Printed:
    """Return a printed number, or a pair of a number and its spread."""
    pair = value if isinstance(value, list) and len(value) == 2 else [value, 0.0]
    if not all(type(number) in (int, float) and abs(number) < LARGEST for number in pair):
        raise ValueError(f"must be a number or [mean, std], got {shortened(repr(value))}")
    return Printed(float(pair[0]), float(pair[1]) if pair is value else None)


def paper_entry(value: object) -> Printed | dict[str, Printed] | None:
    """Return what the paper prints for a metric, or for all metrics in a group."""
    if isinstance(value, Mapping):
        return {str(metric): printed(number) for metric, number in value.items() if number is not None}
    return None if value is None else printed(value)


class Row(Strict):
    """A line of a table: a network, a solver, or a reference predictor.

    Solvers and reference predictors are scored on the test field of the first network of their group.

    Args:
        label: name in reports.
        group: rows of one group are compared with each other; None if the row occurs in each group of the benchmark.
        run: overrides of ptycho-train, for a network.
        solve: overrides of ptycho-reconstruct, for a solver.
        reference: overrides of ptycho-evaluate with `predictor`, for a predictor without weights.
        test: overrides of ptycho-evaluate, to test on other data than the network's own; empty for its own test field.
        paper: what the paper prints for each metric; for a row in several groups, it may be given by group.
    """

    label: Text
    group: Text | None = None
    run: Overrides | None = None
    solve: Overrides | None = None
    reference: Overrides | None = None
    test: Overrides = Field(default_factory=dict)
    paper: dict[str, Annotated[object, PlainValidator(paper_entry)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def check_kind(self) -> Self:
        """Check that the row is of one kind."""
        kinds = [kind for kind in (self.run, self.solve, self.reference) if kind is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"{self.label!r} must have one of run, for a network, solve, for a solver, and reference, for a "
                f"predictor without weights, got {len(kinds)}"
            )
        if self.reference is not None and self.reference.get("predictor") not in REFERENCES:
            raise ValueError(
                f"{self.label!r}: reference must name a predictor, {' or '.join(REFERENCES)}, got "
                f"{shortened(repr(self.reference.get('predictor')))}"
            )
        return self

    def in_group(self, group: str, overrides: Mapping[str, Value]) -> Self:
        """Return the row in one group of a benchmark, with the overrides of that group.

        A solver and a reference predictor take their data and noise from the network whose test field they are scored
        on. Of the group's overrides, a solver takes only those of the solver itself.
        """
        paper = (self.paper.get(group) or {}) if self.by_group else self.paper
        update: dict[str, object] = {"group": group, "paper": paper}
        if self.run is not None:
            update["run"] = {**self.run, **overrides}
        if self.solve is not None:
            update["solve"] = {**self.solve, **of_groups(overrides, "solver")}
        return self.model_copy(update=update)

    @property
    def by_group(self) -> bool:
        """Whether the paper's numbers are given by group."""
        return any(isinstance(value, Mapping) for value in self.paper.values())


def of_groups(overrides: Mapping[str, Value], *groups: str) -> dict[str, Value]:
    """Return the overrides that belong to some groups of conf/."""
    return {key: value for key, value in overrides.items() if key.partition(".")[0] in groups}
