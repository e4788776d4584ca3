"""Build a Trainer from plain choices and run it, resuming where an interrupted run stopped."""

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
LAST_CHECKPOINT, BEST_CHECKPOINT = "last.ckpt", "best.ckpt"
RESUME_VARIABLE = "PTYCHO_BENCH_RESUME"  # set by the first process, read by the processes it starts
IGNORED_WARNINGS = (
    ".*LeafSpec.*",
    ".*does not have many workers.*",
    ".*log_every_n_steps.*",
    ".*exists and is not empty.*",
    ".*recommended to use `self.log.*sync_dist.*",
    ".*does not have a deterministic implementation.*",  # bilinear upsampling on CUDA; recorded as "warn"
)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes each checkpoint to a temporary file and renames it, so that an interruption leaves the old one intact."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_bytes(Path(path), buffer.getvalue())


def silence_libraries() -> None:
    """Hide messages of Lightning and torch that users of this package cannot act on."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in IGNORED_WARNINGS:
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
    """Build a Trainer that writes last.ckpt, best.ckpt (lowest validation loss) and one row per epoch.

    Args:
        recipe: epochs and gradient clipping.
        folder: folder of the checkpoints; nothing is written yet.
        write_row: called with the row of each epoch.
        accelerator: cpu, gpu or auto.
        devices: number of devices, or their indices.
        strategy: auto or ddp.
        precision: Lightning's name of the precision, for example 32-true or bf16-mixed.

    Raises:
        ValueError: If a device does not exist, the strategy or the precision is unknown, or the batch is smaller than
            the number of processes.
    """
    silence_libraries()
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ValueError(f"trainer.accelerator={accelerator} needs a CUDA device, found 0; use trainer=cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # matrix products are not deterministic without it
    terminal = sys.stdout.isatty()
    trainer = L.Trainer(
        accelerator=accelerator,
        devices=devices,
        strategy=strategy,
        precision=precision,
        max_epochs=recipe.epochs,
        gradient_clip_val=recipe.clip_norm,
        callbacks=callbacks(folder, write_row, terminal),
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
            f"recipe.batch_size must be at least the {trainer.world_size} processes, got {recipe.batch_size}; raise it "
            "or set trainer.devices"
        )
    return trainer


def callbacks(folder: Path, write_row: Callable[[dict], None], terminal: bool) -> list[L.Callback]:
    """Callbacks that record epochs, write checkpoints and, on a terminal, show a progress bar.

    Args:
        folder: folder of the checkpoints.
        write_row: called with the row of each epoch.
        terminal: whether standard output is a terminal; if not, one line is printed per epoch.
    """
    every_epoch = {"dirpath": folder, "save_on_train_epoch_end": True, "enable_version_counter": False}
    best = ModelCheckpoint(filename=Path(BEST_CHECKPOINT).stem, monitor="val_total", mode="min", **every_epoch)
    last = ModelCheckpoint(filename=Path(LAST_CHECKPOINT).stem, **every_epoch)  # after `best`, whose score it contains
    recorder = EpochRecorder(write_row, None if terminal else lambda line: print(line, flush=True))
    return [recorder, best, last, *([RichProgressBar(refresh_rate=20)] if terminal else [])]


def fit(trainer: L.Trainer, module: PtychoModule, data: PtychoDataModule) -> None:
    """Train, starting from last.ckpt if it exists."""
    if trainer.strategy.root_device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    checkpoint = checkpoint_to_resume(Path(trainer.default_root_dir))
    try:
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    finally:
        os.environ.pop(RESUME_VARIABLE, None)


def checkpoint_to_resume(folder: Path) -> str | None:
    """Return the path of last.ckpt, or None if it does not exist.

    Only the first process looks; the processes it starts read its result from the environment, so that all agree.
    """
    if shares_work() and RESUME_VARIABLE in os.environ:
        return os.environ[RESUME_VARIABLE] or None
    last = folder / LAST_CHECKPOINT
    found = str(last) if last.is_file() else ""
    os.environ[RESUME_VARIABLE] = found
    return found or None
