"""One training run: build everything from a composed configuration, train, evaluate, record."""

import dataclasses
import hashlib
import time

import hydra
import lightning as L
import torch
from omegaconf import DictConfig, OmegaConf

from ptycho_bench.cli.build import build, build_model, build_network, check_type, load_network, plain
from ptycho_bench.cli.datasets import data_record, load_scan, pattern_px
from ptycho_bench.cli.identity import SCHEMA
from ptycho_bench.cli.score import score_network
from ptycho_bench.data.datamodule import PtychoDataModule, scaling_of
from ptycho_bench.data.sample import PtychoScan
from ptycho_bench.data.split import Split
from ptycho_bench.report.environment import environment
from ptycho_bench.report.record import RunFolder
from ptycho_bench.training.callbacks import peak_memory_mb
from ptycho_bench.training.fit import BEST, fit, is_child_process
from ptycho_bench.training.module import PtychoModule


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
    """
    first_process = not is_child_process()
    started_s = time.perf_counter()
    check_type("seed", cfg.seed, int)
    check_accelerator(cfg.trainer.accelerator)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    phase_class = hydra.utils.get_class(cfg.phase._target_)
    loss = build(cfg.loss, phase_range=phase_class.data_range)
    recipe = build(cfg.recipe)
    protocol = build(cfg.metrics)
    build(cfg.noise)
    description = {
        "schema": SCHEMA, "run": name, "size_px": pattern_px(cfg), "choices": choices,
        **{part: plain(cfg[part]) for part in ("model", "input", "phase")},
    }  # fmt: skip
    model = build_model(description)

    scan = load_scan(cfg, say=first_process)
    split: Split = build(cfg.split, scan=scan)
    description["scaling"] = dataclasses.asdict(scaling_of(scan, split.train))
    description["test_region_px"] = region_px(scan, split)
    description["config"] = OmegaConf.to_container(cfg, resolve=False)  # paths stay relative to data_root
    network = build_network(description, model)
    data = PtychoDataModule(scan=scan, split=split, network=network, batch_size=recipe.batch_size, seed=cfg.seed)
    module = PtychoModule(
        network=network, loss=loss, recipe=recipe, description=description, channels_last=cfg.trainer.channels_last
    )
    if first_process:
        machine = environment()
        folder.open(OmegaConf.to_yaml(cfg, resolve=True), machine)
        parameters = sum(p.numel() for p in model.parameters())
        parts = ", ".join(f"{len(points)} {part}" for part, points in split._asdict().items())
        print(f"{name}: {parameters:,} parameters; {parts}; {recipe.epochs} epochs -> {folder.path}", flush=True)
    mirror = build(cfg.logger, run_name=name, folder=str(folder.path), config=plain(cfg)) if (
        "_target_" in cfg.logger and first_process) else None  # fmt: skip
    options = {key: value for key, value in plain(cfg.trainer).items() if key != "channels_last"}
    try:
        trainer = fit(module, data, folder=folder.path, write_row=folder.append_row, logger=mirror, **options)
    finally:
        close(mirror)
    if not trainer.is_global_zero:
        return None
    rows = folder.rows()
    best = min(rows, key=lambda row: row["val_total"])
    tested = load_network(folder.path / BEST).to(module.device)
    metrics = score_network(
        tested, scan, split.test, protocol=protocol, batch_size=recipe.batch_size, folder=folder.path,
        title=name, pictures=cfg.pictures, rows=rows,
    )  # fmt: skip
    folder.finish(
        {
            "schema": SCHEMA,
            "run": name,
            "identity": identity,
            "choices": choices,
            "seed": cfg.seed,
            "data": data_record(cfg, scan),
            "split": split_record(split),
            "training": {
                "parameters": sum(p.numel() for p in model.parameters()),
                "epochs": len(rows),
                "best_epoch": int(best["epoch"]) + 1,
                "best_val_total": best["val_total"],
                "seconds": sum(row["seconds"] for row in rows),
                "seconds_per_epoch": sum(row["seconds"] for row in rows) / len(rows),
                "seconds_whole_command": time.perf_counter() - started_s,
                "peak_memory_mb": max([row["peak_memory_mb"] for row in rows] + [peak_memory_mb(module.device)]),
                "device": str(module.device),
                "processes": trainer.world_size,
            },
            "environment": machine,
            **metrics,
        }
    )
    return best["val_total"]


def check_accelerator(accelerator: str) -> None:
    """Raise ValueError where a GPU is asked for and none is there."""
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"trainer.accelerator={accelerator} needs a CUDA device, 0 found; use trainer=cpu or trainer=auto"
        )


def region_px(scan: PtychoScan, split: Split) -> list[float]:
    """Object rectangle of the test patches: first row, end row, first column, end column."""
    positions = scan.positions_px[split.test]
    (top, left), (bottom, right) = positions.min(axis=0), positions.max(axis=0) + scan.patch_px
    return [float(edge) for edge in (top, bottom, left, right)]


def split_record(split: Split) -> dict:
    """Sizes and a hash of a split's parts."""
    digest = hashlib.sha256()
    for points in split:
        digest.update(points.astype("<i8").tobytes())
    return {**{part: len(points) for part, points in split._asdict().items()}, "hash": digest.hexdigest()}


def close(mirror: object) -> None:
    """End a mirror's run, so that the next run of this process does not join it."""
    finish = getattr(getattr(mirror, "experiment", None), "finish", None)
    if finish:
        finish()
