"""One training run: build everything from a composed configuration, train, evaluate, record."""

import dataclasses
import hashlib
import math
import time
from dataclasses import dataclass

import lightning as L
from omegaconf import DictConfig, OmegaConf

from ptycho_bench.cli.build import (
    build,
    build_loss,
    build_model,
    build_network,
    check_forward,
    check_type,
    load_network,
    plain,
)
from ptycho_bench.cli.datasets import data_record, load_scan, pattern_px
from ptycho_bench.cli.identity import SCHEMA
from ptycho_bench.data.datamodule import PtychoDataModule
from ptycho_bench.data.sample import PtychoScan
from ptycho_bench.data.scaling import Scaling
from ptycho_bench.data.split import Split
from ptycho_bench.evaluation.reconstruct import MetricProtocol
from ptycho_bench.report.environment import environment
from ptycho_bench.report.record import RunFolder
from ptycho_bench.report.score import score_network
from ptycho_bench.training.fit import BEST, DETERMINISTIC, fit, make_trainer
from ptycho_bench.training.module import PtychoModule
from ptycho_bench.training.processes import shares_work
from ptycho_bench.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything one run is made of, built and checked; nothing of it written but the data set."""

    scan: PtychoScan
    split: Split
    protocol: MetricProtocol
    trainer: L.Trainer
    module: PtychoModule
    data: PtychoDataModule


def prepare(cfg: DictConfig, choices: dict[str, str], folder: RunFolder, name: str) -> Job:
    """Build a run. What can be refused without data is refused before any is made.

    Args:
        cfg: composed configuration of ptycho-train.
        choices: name of the file taken from each group of conf/.
        folder: where the run will be recorded.
        name: of the run.
    """
    check_type("seed", cfg.seed, int)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    loss = build_loss(cfg.loss, cfg.amplitude, cfg.phase)
    recipe: Recipe = build(cfg.recipe)
    options = {key: value for key, value in plain(cfg.trainer).items() if key != "channels_last"}
    trainer = make_trainer(recipe, folder=folder.path, write_row=folder.append_row, **options)
    protocol: MetricProtocol = build(cfg.metrics)
    description = {"schema": SCHEMA, "run": name, "choices": choices, "size_px": pattern_px(cfg)}
    protocol.check(description["size_px"])
    description |= {part: plain(cfg[part]) for part in ("model", "input", "amplitude", "phase")}
    check_forward(description)
    model = build_model(description)

    refuse_held_out(cfg.data.get("held_out", False), cfg.data.name)
    scan = load_scan(cfg, say=not shares_work())
    refuse_held_out(scan.info.held_out, cfg.data.name)
    split: Split = build(cfg.split, scan=scan)
    description["scaling"] = dataclasses.asdict(Scaling.of(scan, split.train))
    description["test"] = tested_patches(scan, split)
    description["config"] = OmegaConf.to_container(cfg, resolve=False)  # paths stay relative to data_root
    network = build_network(description, model)
    loss.attach(scan.measurement())
    return Job(
        scan=scan,
        split=split,
        protocol=protocol,
        trainer=trainer,
        module=PtychoModule(
            network=network,
            loss=loss,
            recipe=recipe,
            description=description,
            channels_last=cfg.trainer.channels_last,
        ),
        data=PtychoDataModule(
            scan=scan,
            split=split,
            network=network,
            with_intensity=loss.needs_measurement,
            batch_size=recipe.batch_size,
            seed=cfg.seed,
        ),
    )


def refuse_held_out(held_out: bool, name: str) -> None:
    """Raise ValueError for a data set that is there for testing alone."""
    if held_out:
        raise ValueError(
            f"data={name} is held out: it is never trained on; score a trained network on it with ptycho-evaluate "
            f"CHECKPOINT data={name} region=all"
        )


def train(cfg: DictConfig, choices: dict[str, str], folder: RunFolder, name: str, identity: str) -> float | None:
    """Train, evaluate and record one run.

    Args:
        cfg: composed configuration of ptycho-train.
        choices: name of the file taken from each group of conf/.
        folder: where the run is recorded.
        name: of the run.
        identity: hash of what determines its result.

    Returns:
        Best validation loss; None in a process that only shares the work.

    Raises:
        ValueError: an impossible configuration, unusable data, or a training that diverged.
        OSError: the folder cannot be written.
    """
    started_s = time.perf_counter()
    job = prepare(cfg, choices, folder, name)
    recipe, device, machine = job.module.recipe, job.trainer.strategy.root_device, environment()
    if not shares_work():
        if cfg.overwrite:
            folder.clear()
        folder.open(OmegaConf.to_yaml(cfg, resolve=True), machine)
        parts = ", ".join(f"{len(points)} {part}" for part, points in job.split._asdict().items())
        print(f"{name}: {parameters(job):,} parameters; {parts}; {recipe.epochs} epochs -> {folder.path}", flush=True)
    fit_mirrored(cfg, job, folder, name)
    if not job.trainer.is_global_zero:
        return None
    rows = folder.rows()
    best = best_row(rows)
    metrics = score_network(
        load_network(folder.path / BEST).to(device), job.scan, job.split.test, protocol=job.protocol,
        batch_size=recipe.batch_size, folder=folder.path, title=name, pictures=cfg.pictures, rows=rows,
    )  # fmt: skip
    folder.finish(
        {
            "schema": SCHEMA,
            "run": name,
            "identity": identity,
            "choices": choices,
            "seed": cfg.seed,
            "data": data_record(cfg, job.scan),
            "split": split_record(job.split),
            "training": {
                **training_record(job, rows, best),
                "device": str(device),
                "seconds_whole_command": time.perf_counter() - started_s,
            },
            "environment": machine,
            **metrics,
        }
    )
    return best["val_total"]


def fit_mirrored(cfg: DictConfig, job: Job, folder: RunFolder, name: str) -> None:
    """Train, with the mirror the configuration names; it is closed whatever happens."""
    if "_target_" not in cfg.logger or shares_work():
        fit(job.trainer, job.module, job.data)
        return
    mirror = build(cfg.logger, run_name=name, folder=str(folder.path), config=plain(cfg))
    job.trainer.logger = mirror
    exit_code = 1
    try:
        fit(job.trainer, job.module, job.data)
        exit_code = 0
    finally:  # or the next run of this process would join it
        finish = getattr(mirror.experiment, "finish", None)
        if finish:
            finish(exit_code=exit_code)


def parameters(job: Job) -> int:
    """Number of trained values of the network."""
    return sum(p.numel() for p in job.module.network.parameters())


def best_row(rows: list[dict[str, float]]) -> dict[str, float]:
    """Row of the lowest validation loss.

    Raises:
        ValueError: no epoch has a finite one.
    """
    finite = [row for row in rows if math.isfinite(row["val_total"])]
    if not finite:
        raise ValueError(
            f"training diverged: the validation loss was not finite in any of {len(rows)} epochs; lower "
            "recipe.optimizer.lr, or recipe.clip_norm (null clips nothing)"
        )
    return min(finite, key=lambda row: row["val_total"])


def training_record(job: Job, rows: list[dict[str, float]], best: dict[str, float]) -> dict:
    """What results.json says of the training; seconds are those of every epoch, also before a resume."""
    seconds = sum(row["seconds"] for row in rows)
    return {
        "parameters": parameters(job),
        "epochs": len(rows),
        "best_epoch": int(best["epoch"]) + 1,
        "best_val_total": best["val_total"],
        "seconds": seconds,
        "seconds_per_epoch": seconds / len(rows),
        "peak_memory_mb": max(row["peak_memory_mb"] for row in rows),
        "processes": job.trainer.world_size,
        "deterministic": DETERMINISTIC,
    }


def tested_patches(scan: PtychoScan, split: Split) -> dict:
    """Which patches were tested: their points in the data of that hash, and the rectangle of object pixels
    [first row, end row, first column, end column] they cover, for other scans of the same field."""
    positions = scan.positions_px[split.test]
    (top, left), (bottom, right) = positions.min(axis=0), positions.max(axis=0) + scan.patch_px
    return {
        "content_hash": scan.content_hash,
        "points": split.test.tolist(),
        "region_px": [float(edge) for edge in (top, bottom, left, right)],
    }


def split_record(split: Split) -> dict:
    """Sizes and a hash of a split's parts."""
    digest = hashlib.sha256()
    for points in split:
        digest.update(points.astype("<i8").tobytes())
    return {**{part: len(points) for part, points in split._asdict().items()}, "hash": digest.hexdigest()}
