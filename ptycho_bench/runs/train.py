"""Train a network, score its best checkpoint and record the run."""

import hashlib
import math
import time
from collections.abc import Sequence
from functools import partial

from ptycho_bench.config.checkpoint import KEY, SCHEMA, read_checkpoint, restore_network
from ptycho_bench.config.identity import sha256
from ptycho_bench.config.training import TrainingSpec
from ptycho_bench.data.split import Split, SplitScan
from ptycho_bench.data.summary import scan_record
from ptycho_bench.evaluation.leakage import leakage
from ptycho_bench.records.costs import stored_numbers
from ptycho_bench.records.environment import collect_environment
from ptycho_bench.records.pictures import draw_losses
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.prepare import TrainingRun, prepare
from ptycho_bench.runs.reestimate import reestimate_checkpoint
from ptycho_bench.runs.score import Scored, evaluate_scan, print_scored, scores_record, training_ranges
from ptycho_bench.runs.score_files import draw_scored, write_scored
from ptycho_bench.training.fit import BEST_CHECKPOINT, DETERMINISTIC, fit, interruption_noted
from ptycho_bench.training.processes import shares_work


def train(spec: TrainingSpec, folder: RunFolder) -> float | None:
    """Train, score and record one run.

    Args:
        spec: settings of the run.
        folder: folder that the run is recorded in.

    Returns:
        Best validation loss; None in a process that only shares the work.

    Raises:
        ValueError: If data cannot be used, or the training diverged.
        OSError: If the folder cannot be written.
    """
    started_s = time.perf_counter()
    if not shares_work():
        print(spec.summary(), flush=True)
    run = prepare(spec, folder)
    machine = collect_environment()
    if not shares_work():
        if spec.overwrite:
            folder.clear()
        folder.open(spec.text, machine)
        print(f"{spec.run.name}: {size_of(run)} -> {folder.path}", flush=True)
    with interruption_noted(run.trainer):
        fit_with_logger(spec, run, folder)
        if not run.trainer.is_global_zero:
            return None
        return finish(spec, run, folder, machine, started_s)


def finish(spec: TrainingSpec, run: TrainingRun, folder: RunFolder, machine: dict, started_s: float) -> float:
    """Score the best network of a trained run, write and draw its results; return its best validation loss.

    Args:
        spec: settings of the run.
        run: the run after training.
        folder: folder that the run is recorded in.
        machine: environment of this process.
        started_s: when the command has started, on the clock of `time.perf_counter`.

    Raises:
        ValueError: If the training diverged.
        OSError: If the folder cannot be written.
    """
    rows = folder.rows()
    best = best_row(rows)
    reestimated = spec.recipe.reestimate_batch_norm and reestimate_checkpoint(folder.path / BEST_CHECKPOINT, run)
    scored = score(spec, run, folder)
    write_scored(folder.path, scored)
    if spec.pictures:
        draw_losses(folder.path / "pictures" / "losses.png", rows)
        draw_scored(folder.path / "pictures", scored, spec.run.name)
    print_scored(scored, spec.run.name)
    print(f"-> {folder.path}", flush=True)
    training = training_record(run, rows, best) | {"batch_norm_reestimated": reestimated}
    training["seconds_whole_command"] = time.perf_counter() - started_s
    folder.finish(
        {
            **settings_record(spec),
            **data_and_split(run.scans),
            "training": training,
            "environment": machine,
            **scores_record(spec.protocol, spec.stitching, scored),
            **records_by_scan(spec, run, scored),
        }
    )
    return best["val_total"]


def fit_with_logger(spec: TrainingSpec, run: TrainingRun, folder: RunFolder) -> None:
    """Train, with the logger that the configuration names; it is closed whatever happens."""
    if spec.make_logger is None or shares_work():
        fit(run.trainer, run.module, run.data)
        return
    logger = spec.make_logger(run_name=spec.run.name, folder=str(folder.path))
    run.trainer.logger = logger
    exit_code = 1
    try:
        fit(run.trainer, run.module, run.data)
        exit_code = 0
    finally:  # an open logger would be continued by the next run of this process
        finish = getattr(logger.experiment, "finish", None)
        if finish:
            finish(exit_code=exit_code)


def score(spec: TrainingSpec, run: TrainingRun, folder: RunFolder) -> list[Scored]:
    """Score the best network on the test points of each scan, with the scaling that the scan needs."""
    checkpoint = read_checkpoint(folder.path / BEST_CHECKPOINT)
    device = run.trainer.strategy.root_device
    return [
        evaluate_scan(
            restore_network(checkpoint, part.scan.content_hash).to(device), part.scan, part.split.test,
            name=part.name, protocol=spec.protocol, stitching=spec.stitching,
            scaling=training_ranges(checkpoint[KEY], part.scan, spec.protocol), rectangle=None,
            batch_size=spec.recipe.batch_size,
        )
        for part in run.scans
    ]  # fmt: skip


def size_of(run: TrainingRun) -> str:
    """Return the size of the network, the data and the training in one line."""
    counts = data_and_split(run.scans)["split"]
    points = ", ".join(f"{counts[part]} {part}" for part in Split._fields)
    if len(run.scans) > 1:
        points += f" of {len(run.scans)} scans ({', '.join(part.name for part in run.scans)})"
    epochs, steps = run.module.recipe.epochs, run.module.recipe.steps_per_epoch
    length = f"{epochs} epoch{'' if epochs == 1 else 's'}"
    if steps is not None:
        length += f" of {steps} step{'' if steps == 1 else 's'}"
    return f"{parameter_count(run):,} parameters; {points}; {length}"


def parameter_count(run: TrainingRun) -> int:
    """Return the number of trainable parameters of the network."""
    return sum(p.numel() for p in run.module.network.parameters())


def best_row(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the row with the lowest validation loss.

    Raises:
        ValueError: If no epoch has a finite validation loss.
    """
    finite = [row for row in rows if math.isfinite(row["val_total"])]
    if not finite:
        raise ValueError(
            f"training diverged: the validation loss was never finite (epochs trained: {len(rows)}); lower "
            "recipe.optimizer.lr, or set recipe.clip_norm (null clips nothing)"
        )
    return min(finite, key=lambda row: row["val_total"])


def settings_record(spec: TrainingSpec) -> dict:
    """Return the settings of a run for results.json."""
    return {
        "schema": SCHEMA,
        "run": spec.run.name,
        "identity": spec.run.identity,
        "choices": spec.choices,
        "seed": spec.seed,
    }


def training_record(run: TrainingRun, rows: list[dict[str, float]], best: dict[str, float]) -> dict:
    """Return `training` of results.json; the seconds include the epochs before a run was resumed."""
    seconds = sum(row["seconds"] for row in rows)
    return {
        "parameters": parameter_count(run),
        "stored_numbers": stored_numbers(run.module.network),
        "epochs": len(rows),
        "steps": int(rows[-1]["step"]),
        "best_epoch": int(best["epoch"]) + 1,
        "best_val_total": best["val_total"],
        "seconds": seconds,
        "seconds_per_epoch": seconds / len(rows),
        "peak_memory_mb": max(row["peak_memory_mb"] for row in rows),
        "processes": run.trainer.world_size,
        "deterministic": DETERMINISTIC,
        "streamed": run.data.streamed,
        "device": str(run.trainer.strategy.root_device),
    }


def data_and_split(scans: Sequence[SplitScan]) -> dict:
    """Return `data` and `split` of results.json; for several scans, joined names, summed numbers and joint hashes."""
    data = [scan_record(part.name, part.scan) for part in scans]
    splits = [split_record(part) for part in scans]
    if len(scans) == 1:
        return {"data": data[0], "split": splits[0]}
    return {
        "data": {
            "name": "+".join(part.name for part in scans),
            "content_hash": sha256([record["content_hash"] for record in data]),
            "patterns": sum(record["patterns"] for record in data),
            "pattern_px": data[0]["pattern_px"],
        },
        "split": {
            **{part: sum(record[part] for record in splits) for part in Split._fields},
            "hash": sha256([record["hash"] for record in splits]),
        },
    }


def records_by_scan(spec: TrainingSpec, run: TrainingRun, scored: Sequence[Scored]) -> dict:
    """Return `scans` of results.json, the data, split and metrics of each scan; empty for a single scan."""
    if len(scored) == 1:
        return {}
    parts = zip(run.scans, scored, strict=True)
    scores = partial(scores_record, spec.protocol, spec.stitching)
    return {"scans": {one.name: {**data_and_split([part]), **scores([one])} for part, one in parts}}


def split_record(part: SplitScan) -> dict:
    """Return the sizes of a split's parts, a hash of them, and how much of the test field training has seen."""
    digest = hashlib.sha256()
    for points in part.split:
        digest.update(points.astype("<i8").tobytes())
    return {
        **{name: len(points) for name, points in part.split._asdict().items()},
        "leakage": leakage(part.scan.positions_px, part.split, part.scan.patch_px),
        "hash": digest.hexdigest(),
    }
