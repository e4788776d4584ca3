"""Build a Trainer from plain choices and run it, resuming where a killed run stopped."""

import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar

from ptycho_bench.data.datamodule import PtychoDataModule
from ptycho_bench.training.callbacks import EpochRecorder
from ptycho_bench.training.module import PtychoModule

DETERMINISTIC = "warn"  # True would refuse PtychoNN's bilinear upsampling on CUDA
LAST, BEST = "last.ckpt", "best.ckpt"
RESUME_VARIABLE = "PTYCHO_BENCH_RESUME"  # rank 0 decides; processes it starts read the decision here


def quiet() -> None:
    """Silence, by name, what Lightning says that no user of ours can act on."""
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


def fit(
    module: PtychoModule,
    data: PtychoDataModule,
    *,
    folder: Path,
    write_row: Callable[[dict], None],
    logger: object,
    accelerator: str,
    devices: int | str,
    strategy: str,
    precision: str,
    sync_batchnorm: bool,
) -> L.Trainer:
    """Train; leaves last.ckpt and best.ckpt (lowest validation loss) in the folder. Resumes from last.ckpt.

    Args:
        module: what is trained.
        data: on what.
        folder: where checkpoints go.
        write_row: takes a row an epoch.
        logger: a Lightning logger, or None.
        accelerator: cpu, gpu or auto.
        devices: how many.
        strategy: auto or ddp.
        precision: Lightning's name, as 32-true or bf16-mixed.
        sync_batchnorm: share batch statistics between processes (GPU only).
    """
    quiet()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it matrix products are not deterministic
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    terminal = sys.stdout.isatty()
    every_epoch = {"dirpath": folder, "save_on_train_epoch_end": True, "enable_version_counter": False}
    best = ModelCheckpoint(filename=Path(BEST).stem, monitor="val_total", mode="min", **every_epoch)
    last = ModelCheckpoint(filename=Path(LAST).stem, **every_epoch)  # after the best, whose score it holds
    bar = [RichProgressBar(refresh_rate=20)] if terminal else []
    recorder = EpochRecorder(write_row, None if terminal else lambda line: print(line, flush=True))
    trainer = L.Trainer(
        accelerator=accelerator,
        devices=devices,
        strategy=strategy,
        precision=precision,
        sync_batchnorm=sync_batchnorm,
        max_epochs=module.recipe.epochs,
        gradient_clip_val=module.recipe.clip_norm,
        callbacks=[recorder, best, last, *bar],
        logger=logger or False,
        default_root_dir=folder,
        enable_progress_bar=terminal,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        deterministic=DETERMINISTIC,
        use_distributed_sampler=False,
        plugins=[SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else None,
    )
    resume = resume_from(folder)
    trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    os.environ.pop(RESUME_VARIABLE, None)
    return trainer


def is_child_process() -> bool:
    """True in a process that rank 0 started to share its work."""
    return RESUME_VARIABLE in os.environ and int(os.environ.get("LOCAL_RANK", "0")) > 0


def resume_from(folder: Path) -> str | None:
    """last.ckpt if there is one. Rank 0 looks; a process it starts takes over what it found."""
    if is_child_process():
        return os.environ[RESUME_VARIABLE] or None
    last = folder / LAST
    found = str(last) if last.is_file() else ""
    os.environ[RESUME_VARIABLE] = found
    return found or None
