"""Build a Trainer from plain choices and run it, resuming where an interrupted run stopped."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from ptycho_bench.training.callbacks import EpochProgressBar, EpochRecorder, ProcessControl
from ptycho_bench.training.checkpoints import (
    BEST_CHECKPOINT,
    LAST_CHECKPOINT,
    RESUME_VARIABLE,
    AtomicCheckpointIO,
    checkpoint_to_resume,
)
from ptycho_bench.training.loading.datamodule import PtychoDataModule
from ptycho_bench.training.module import PtychoModule
from ptycho_bench.training.processes import ends_with_this_process
from ptycho_bench.training.recipe import Recipe
from ptycho_bench.training.slurm import slurm_environment

DETERMINISTIC = "warn"  # True would refuse PtychoNN's bilinear upsampling on CUDA
LOST_PROCESS = "another process of this training has ended; the same command continues from the last whole epoch"
IGNORED_WARNINGS = (
    ".*LeafSpec.*",
    ".*does not have many workers.*",
    ".*log_every_n_steps.*",
    ".*exists and is not empty.*",
    ".*recommended to use `self.log.*sync_dist.*",
    ".*`srun` command is available.*",
    ".*AMP with fp16 is not supported on CPU.*",  # an error of `make_trainer`
    ".*does not have a deterministic implementation.*",  # bilinear upsampling on CUDA; recorded as "warn"
)


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
        ValueError: If a device does not exist, the strategy or the precision is unknown, the device lacks the
            precision, or the batch is smaller than the number of processes.
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
        plugins=[AtomicCheckpointIO(), *slurm_environment(devices)],
    )
    if precision == "16-mixed" and trainer.strategy.root_device.type == "cpu":
        raise ValueError("trainer.precision=16-mixed needs a GPU, and a CPU was chosen; use bf16-mixed or 32-true")
    if recipe.batch_size < trainer.world_size:
        raise ValueError(
            f"recipe.batch_size must be at least the {trainer.world_size} processes, got {recipe.batch_size}; raise it "
            "or set trainer.devices"
        )
    return trainer


def callbacks(folder: Path, write_row: Callable[[dict], None], terminal: bool) -> list[L.Callback]:
    """Callbacks that record and print epochs, write checkpoints and, on a terminal, show a progress bar.

    Args:
        folder: folder of the checkpoints.
        write_row: called with the row of each epoch.
        terminal: whether standard output is a terminal.
    """
    every_epoch = {"dirpath": folder, "save_on_train_epoch_end": True, "enable_version_counter": False}
    best = ModelCheckpoint(filename=Path(BEST_CHECKPOINT).stem, monitor="val_total", mode="min", **every_epoch)
    last = ModelCheckpoint(filename=Path(LAST_CHECKPOINT).stem, **every_epoch)  # after `best`, whose score it contains
    recorder = EpochRecorder(write_row, lambda line: print(line, flush=True))
    return [recorder, best, last, ProcessControl(), *([EpochProgressBar(refresh_rate=20)] if terminal else [])]


def fit(trainer: L.Trainer, module: PtychoModule, data: PtychoDataModule) -> None:
    """Train, starting from last.ckpt if it exists; see `checkpoint_to_resume`.

    Raises:
        ValueError: If the training was interrupted before and its checkpoints are damaged.
        ConnectionError: If another process that takes part in the training has ended.
    """
    if trainer.strategy.root_device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    checkpoint = checkpoint_to_resume(Path(trainer.default_root_dir), trainer.max_epochs)
    with environment({RESUME_VARIABLE: checkpoint or "", **ends_with_this_process()}):
        try:
            trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        except SystemExit as end:  # Lightning's answer to KeyboardInterrupt
            raise KeyboardInterrupt from end
        except RuntimeError as error:
            if trainer.world_size > 1 and "connection" in str(error).lower():
                raise ConnectionError(LOST_PROCESS) from error
            raise


@contextmanager
def interruption_noted(trainer: L.Trainer) -> Iterator[None]:
    """Note in an exception that ends the block, for example an interruption, after which epoch it came."""
    try:
        yield
    except BaseException as error:
        if epochs := trainer.strategy.checkpoint_io.epochs:
            error.add_note(f"after epoch {epochs} of {trainer.max_epochs}")
        raise


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, which the processes of Lightning inherit, while the block runs."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
