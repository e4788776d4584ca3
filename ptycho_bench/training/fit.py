"""Build a Trainer from plain choices and run it, resuming where a killed run stopped."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar

from ptycho_bench.data.atomic import write_bytes
from ptycho_bench.training.callbacks import EpochRecorder
from ptycho_bench.training.loading.datamodule import PtychoDataModule
from ptycho_bench.training.module import PtychoModule
from ptycho_bench.training.processes import shares_work
from ptycho_bench.training.recipe import Recipe

DETERMINISTIC = "warn"  # True would refuse PtychoNN's bilinear upsampling on CUDA
LAST, BEST = "last.ckpt", "best.ckpt"
RESUME_VARIABLE = "PTYCHO_BENCH_RESUME"  # the first process decides; those it starts read the decision here


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints written beside their place and renamed into it: a kill or a full disk leaves the old one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_bytes(Path(path), buffer.getvalue())


def quiet() -> None:
    """Silence what Lightning and torch say that no user of ours can act on: notes by level, warnings by name."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*LeafSpec.*",
        ".*does not have many workers.*",
        ".*log_every_n_steps.*",
        ".*exists and is not empty.*",
        ".*recommended to use `self.log.*sync_dist.*",
        ".*does not have a deterministic implementation.*",  # bilinear upsampling on CUDA; recorded as "warn"
    ):
        warnings.filterwarnings("ignore", message=message)


def make_trainer(
    recipe: Recipe,
    *,
    folder: Path,
    write_row: Callable[[dict], None],
    accelerator: str,
    devices: int | str | list[int],
    strategy: str,
    precision: str,
) -> L.Trainer:
    """A Trainer that leaves last.ckpt and best.ckpt (lowest validation loss) in the folder, and a row an epoch.

    Args:
        recipe: epochs and clipping.
        folder: where checkpoints go; nothing is written yet.
        write_row: takes a row an epoch.
        accelerator: cpu, gpu or auto.
        devices: how many, or which.
        strategy: auto or ddp.
        precision: Lightning's name, as 32-true or bf16-mixed.

    Raises:
        ValueError: devices that are not there, an unknown strategy or precision, a batch smaller than the processes.
    """
    quiet()
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ValueError(f"trainer.accelerator={accelerator} needs a CUDA device, found 0; use trainer=cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it matrix products are not deterministic
    terminal = sys.stdout.isatty()
    every_epoch = {"dirpath": folder, "save_on_train_epoch_end": True, "enable_version_counter": False}
    best = ModelCheckpoint(filename=Path(BEST).stem, monitor="val_total", mode="min", **every_epoch)
    last = ModelCheckpoint(filename=Path(LAST).stem, **every_epoch)  # after the best, whose score it holds
    recorder = EpochRecorder(write_row, None if terminal else lambda line: print(line, flush=True))
    trainer = L.Trainer(
        accelerator=accelerator,
        devices=devices,
        strategy=strategy,
        precision=precision,
        max_epochs=recipe.epochs,
        gradient_clip_val=recipe.clip_norm,
        callbacks=[recorder, best, last, *([RichProgressBar(refresh_rate=20)] if terminal else [])],
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=terminal,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        deterministic=DETERMINISTIC,
        use_distributed_sampler=False,
        plugins=[AtomicCheckpointIO(), *([SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else [])],
    )
    if recipe.batch_size < trainer.world_size:
        raise ValueError(
            f"recipe.batch_size must be at least the {trainer.world_size} processes, got {recipe.batch_size}"
        )
    return trainer


def fit(trainer: L.Trainer, module: PtychoModule, data: PtychoDataModule) -> None:
    """Train, from last.ckpt where there is one."""
    if trainer.strategy.root_device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    resume = resume_from(Path(trainer.default_root_dir))
    try:
        trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    finally:
        os.environ.pop(RESUME_VARIABLE, None)


def resume_from(folder: Path) -> str | None:
    """last.ckpt if there is one. The first process looks; one it starts takes over what it found."""
    if shares_work() and RESUME_VARIABLE in os.environ:
        return os.environ[RESUME_VARIABLE] or None
    last = folder / LAST
    found = str(last) if last.is_file() else ""
    os.environ[RESUME_VARIABLE] = found
    return found or None
