"""A planned run and what it has left behind: its numbers, and the facts that describe it."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ptycho_bench.benchmark.plan_file import PlanFile, PlannedRun
from ptycho_bench.benchmark.record import Record
from ptycho_bench.records.costs import MIB_PER_PARAMETER, PROFILED, profile_key
from ptycho_bench.records.run_folder import RESULTS, RunFolder

CONVERGED = 1.01  # largest ratio of a validation loss to the run's best at which training counts as converged
CHOICES = ("data", "noise", "split", "input", "amplitude", "phase", "loss", "model", "recipe", "metrics", "stitch")
NOT_LEARNED = ("", "amplitude", "phase", "amplitude and phase")
NUMBERS = ("number", "constant", "block_low", "block_high")  # of a run and a metric
Profiles = Mapping[str, Sequence[Record]]  # by what was profiled


@dataclass(frozen=True)
class Run:
    """A planned run and what it has left.

    Args:
        planned: cell, seed and folder.
        folder: the folder itself.
        record: its record; None if the run is not done.
        training: record of the network's training: the run's own, or that of the tested network; None for a solver and
            for a reference predictor.
    """

    planned: PlannedRun
    folder: Path
    record: Record | None
    training: Record | None


def read_run(planned: PlannedRun, outputs_dir: Path, *, trained: bool) -> Run:
    """Read what a run has left.

    Args:
        planned: the run.
        outputs_dir: folder that contains the runs.
        trained: whether the run is that of a network.

    Raises:
        ValueError: If a record cannot be read.
    """
    folder = outputs_dir / planned.folder
    record = Record.of_run(folder)
    training = record if trained else None
    if training is not None and record.at("training") is None and folder.parent.name == "tests":
        training = Record.of_run(folder.parents[1])
    return Run(planned, folder, record, training)


def read_profiles(outputs_dir: Path) -> dict[str, list[Record]]:
    """Return the profiles that ptycho-profile has written; networks of one name may differ in their values.

    Raises:
        ValueError: If a profile is damaged.
    """
    found = defaultdict(list)
    for file in sorted(outputs_dir.glob(f"profiles/*/{RESULTS}")):
        profile = Record.of_profile(file)
        found[profile.text("key")].append(profile)
    return found


def training_number(run: Run, key: str) -> float | None:
    """Return a number from the record of the network's training, or None if there is none."""
    return None if run.training is None else run.training.number("training", key)


def device_of(run: Run) -> str:
    """Return the device that a network was trained on, or that a solver or a reference predictor ran on."""
    record = run.training or run.record
    return record.text("training", "device") or record.text("inference", "device") or record.text("device") or "cpu"


def choices_of(run: Run) -> str:
    """Return the choices of files that a network was trained with."""
    if run.training is None:
        return ""
    found = ((group, run.training.at("choices", group)) for group in CHOICES)
    return " ".join(f"{group}={choice}" for group, choice in found if choice is not None)


def commit_of(run: Run) -> str:
    """Return the short hash of the commit that a run was made with, and whether files were modified."""
    record = environment_of(run)
    return record.text("environment", "git", "commit")[:10] + (
        " (modified)" if record.at("environment", "git", "modified") else ""
    )


def environment_of(run: Run) -> Record:
    """Return the record that describes the environment of a run."""
    return run.record if run.record.at("environment") or run.training is None else run.training


def machine_of(run: Run) -> str:
    """Return the device or processor that a run was made on."""
    record = environment_of(run)
    gpus = record.at("environment", "gpus")
    if isinstance(gpus, list) and gpus and device_of(run).startswith("cuda"):
        return str(gpus[0])
    return record.text("environment", "processor")


def seconds_of(run: Run) -> str:
    """Return the seconds that a training took, or a solver or a reference predictor."""
    seconds = seconds_to_reconstruct(run) if run.training is None else training_number(run, "seconds")
    return "" if seconds is None else f"{seconds:.0f}"


def not_learned(run: Run) -> str:
    """Return which quantities the run predicts no better than a constant guess.

    Raises:
        ValueError: If the record names anything other than amplitude and phase.
    """
    found = run.record.at("metrics", "not_learned")
    text = " and ".join(map(str, found)) if isinstance(found, list) else found or ""
    if text not in NOT_LEARNED:
        raise run.record.mismatch(("metrics", "not_learned"), "a list of amplitude and phase", found)
    return text


FACTS = {  # columns that describe a finished run
    "choices": choices_of,
    "epochs": lambda run: str(training_number(run, "epochs") or ""),
    "commit": commit_of,
    "data": lambda run: run.record.text("data", "content_hash")[:10],
    "machine": machine_of,
    "seconds": seconds_of,
    "not_learned": not_learned,
}


def numbers_of(metric: str, run: Run, plan: PlanFile, profiles: Profiles) -> dict[str, float | None]:
    """Return a run's numbers for a metric, None for those that it does not have.

    Args:
        metric: name of the metric.
        run: the run.
        plan: plan that the run belongs to.
        profiles: all profiles.

    Returns:
        `number`; `constant`, the score of a constant guess; `block_low` and `block_high`, the run's interval by
        bootstrap over blocks of the stitched field.
    """
    found = dict.fromkeys(NUMBERS)
    if run.record is None or (metric == "convergence_epochs" and plan.epochs is not None):
        return found  # a shortened training has not converged
    if metric in COSTS:
        return {**found, "number": COSTS[metric](run, profiles)}
    part = plan.definition.part
    found["number"] = run.record.number("metrics", part, metric)
    found["constant"] = run.record.number("metrics", "constant", part, metric)
    found["block_low"], found["block_high"] = run.record.pair("metrics", "interval", part, metric)
    return found


def leakage_of(run: Run) -> dict[str, float | None]:
    """Return the fractions of the test patches, the test field and the scored rectangle that training has seen."""
    keys = {"leak_patches": "test_patches", "leak_field": "field", "leak_scored": "scored"}
    record = run.record
    if record is not None and run.training is not None and same_scan(record, run.training):
        record = run.training  # a test on the scan of the training does not repeat it
    return {column: None if record is None else record.number("split", "leakage", key) for column, key in keys.items()}


def same_scan(one: Record, other: Record) -> bool:
    """Return True if two records are about the same scan."""
    return one.text("data", "content_hash") == other.text("data", "content_hash") != ""


def seconds_to_reconstruct(run: Run) -> float | None:
    """Return the seconds that the network or solver took to reconstruct the test field."""
    inference = run.record.at("inference")
    return run.record.number("seconds") if inference is None else run.record.number("inference", "seconds")


def parameters_mib(run: Run) -> float | None:
    """Return the size of the stored network, with its batch-norm statistics, at single precision, in MiB."""
    count = training_number(run, "stored_numbers")
    return None if count is None else count * MIB_PER_PARAMETER


def profiled(run: Run, profiles: Profiles, key: str) -> float | None:
    """Return a number from the profile of the run's network, of the same size and on the same kind of device."""
    if run.training is None:
        return None
    count = training_number(run, "parameters")
    choices = {group: run.training.at("choices", group) for group in CHOICES}
    described = {"choices": choices, "data": {"pattern_px": run.training.at("data", "pattern_px")}}
    named = profiles.get(profile_key(described, device_of(run).partition(":")[0]), ())
    return next((profile.number(key) for profile in named if profile.number("parameters") == count), None)


COSTS = {  # metrics that do not describe an image
    "seconds": lambda run, profiles: seconds_to_reconstruct(run),
    "seconds_per_epoch": lambda run, profiles: training_number(run, "seconds_per_epoch"),
    "parameters_mib": lambda run, profiles: parameters_mib(run),
    "convergence_epochs": lambda run, profiles: None if run.training is None else convergence_epochs(run.folder),
    **{cost: partial(profiled, key=cost) for cost in PROFILED},
}


def convergence_epochs(folder: Path) -> int | None:
    """Return the first epoch, counted from 1, whose validation loss is within 1 % of the run's best.

    Raises:
        ValueError: If metrics.csv is damaged.
    """
    file = folder / "metrics.csv"
    if not file.is_file():
        return None
    try:
        losses = {int(row["epoch"]): row["val_total"] for row in RunFolder(folder).rows()}
    except (KeyError, TypeError, ValueError, OverflowError, csv.Error) as error:
        raise ValueError(f"{file} is no table of losses; delete the run's folder and repeat it") from error
    if not losses:
        return None
    best = min(losses.values())
    bound = best * CONVERGED if best >= 0 else best / CONVERGED  # a loss may be negative, for example NSSIM
    return 1 + min(epoch for epoch, loss in losses.items() if loss <= bound)
