"""One training run: build everything from a composed configuration, train, evaluate, record."""

import hashlib
import math
import time
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from ptycho_bench.config.build import build, plain, read_checkpoint, restore_network
from ptycho_bench.config.datasets import data_record
from ptycho_bench.config.identity import SCHEMA, sha256
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.data.split import Split, SplitScan
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.records.environment import environment
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.prepare import Job, prepare
from ptycho_bench.runs.score import score_network
from ptycho_bench.runs.score_several import score_several
from ptycho_bench.training.fit import BEST, DETERMINISTIC, fit
from ptycho_bench.training.processes import shares_work


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
    recipe, machine = job.module.recipe, environment()
    if not shares_work():
        if cfg.overwrite:
            folder.clear()
        folder.open(OmegaConf.to_yaml(cfg, resolve=True), machine)
        size = f"{parameters(job):,} parameters; {points_by_part(job.scans)}; {recipe.epochs} epochs"
        print(f"{name}: {size} -> {folder.path}", flush=True)
    fit_with_logger(cfg, job, folder, name)
    if not job.trainer.is_global_zero:
        return None
    rows = folder.rows()
    best = best_row(rows)
    scored = score(job, folder, name, pictures=cfg.pictures, rows=rows)
    folder.finish(
        {
            "schema": SCHEMA,
            "run": name,
            "identity": identity,
            "choices": choices,
            "seed": cfg.seed,
            **data_and_split(job.scans),
            "training": {
                **training_record(job, rows, best),
                "device": str(job.trainer.strategy.root_device),
                "seconds_whole_command": time.perf_counter() - started_s,
            },
            "environment": machine,
            **scored,
        }
    )
    return best["val_total"]


def fit_with_logger(cfg: DictConfig, job: Job, folder: RunFolder, name: str) -> None:
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


def score(job: Job, folder: RunFolder, name: str, *, pictures: bool, rows: list[dict[str, float]]) -> dict:
    """`metrics` and `inference` of results.json, of the best network; of several scans also `scans`, each one's own."""
    checkpoint = read_checkpoint(folder.path / BEST)
    settings = {"protocol": job.protocol, "batch_size": job.module.recipe.batch_size, "folder": folder.path}
    settings |= {"title": name, "pictures": pictures, "rows": rows}

    def network_for(scan: PtychoScan) -> PtychoNetwork:
        return restore_network(checkpoint, scan.content_hash).to(job.trainer.strategy.root_device)

    if len(job.scans) == 1:
        _, scan, split = job.scans[0]
        return score_network(network_for(scan), scan, split.test, **settings)
    together, apart = score_several(network_for, job.scans, **settings)
    return {**together, "scans": {part.name: {**data_and_split([part]), **apart[part.name]} for part in job.scans}}


def points_by_part(scans: Sequence[SplitScan]) -> str:
    """How many points each part has, over all scans."""
    counts = data_and_split(scans)["split"]
    text = ", ".join(f"{counts[part]} {part}" for part in Split._fields)
    return text if len(scans) == 1 else f"{text} of {len(scans)} scans ({', '.join(part.name for part in scans)})"


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
        "streamed": job.data.streamed,
    }


def data_and_split(scans: Sequence[SplitScan]) -> dict:
    """`data` and `split` of results.json; of several scans what they are together: names, sums, hashes over theirs."""
    data = [data_record(part.name, part.scan) for part in scans]
    splits = [split_record(part.split) for part in scans]
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


def split_record(split: Split) -> dict:
    """Sizes and a hash of a split's parts."""
    digest = hashlib.sha256()
    for points in split:
        digest.update(points.astype("<i8").tobytes())
    return {**{part: len(points) for part, points in split._asdict().items()}, "hash": digest.hexdigest()}
