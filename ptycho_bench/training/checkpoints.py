"""Checkpoint files of a training: how they are written and checked, and which one an interrupted training resumes."""

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from ptycho_bench.data.atomic import write_bytes
from ptycho_bench.training.digest import DIGEST, digest_of, read_checked
from ptycho_bench.training.processes import shares_work

LAST_CHECKPOINT, BEST_CHECKPOINT = "last.ckpt", "best.ckpt"
RESUME_VARIABLE = "PTYCHO_BENCH_RESUME"  # set by the first process, read by the processes it starts
TRAINING_STATE = ("loops", "optimizer_states", "lr_schedulers")  # what only a resumed training needs


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes each checkpoint with its digest to a temporary file and renames it; checks the digest of those it reads.

    Attributes:
        epochs: number of epochs in the newest last.ckpt that was written, or in the checkpoint that was read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epochs = 0

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save({**checkpoint, DIGEST: digest_of(checkpoint)}, buffer)
        write_bytes(path, buffer.getvalue())
        if path.name == LAST_CHECKPOINT:
            self.epochs = checkpoint.get("epoch", -1) + 1

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = None
    ) -> dict[str, Any]:
        checkpoint = read_checked(path, map_location)
        self.epochs = checkpoint["epoch"] + 1
        return checkpoint


def checkpoint_to_resume(folder: Path, max_epochs: int) -> str | None:
    """Return the path of the checkpoint with which a training continues; print from which epoch.

    This is last.ckpt. If that is damaged, it is best.ckpt, which is older but just as complete. Only the first process
    looks; the processes it starts read its result from the environment, so that all agree.

    Args:
        folder: folder of the checkpoints.
        max_epochs: number of epochs of the training.

    Returns:
        None if there is no last.ckpt, so that the training starts from the beginning.

    Raises:
        ValueError: If last.ckpt and best.ckpt are both damaged.
    """
    if shares_work() and RESUME_VARIABLE in os.environ:
        return os.environ[RESUME_VARIABLE] or None
    last, best = folder / LAST_CHECKPOINT, folder / BEST_CHECKPOINT
    if not last.is_file():
        return None
    path = last
    try:
        epochs = resumable_epochs(last)
    except ValueError as error:
        path, epochs = best, epochs_of_second(best, error)
        if not shares_work():
            print(f"{error}; the training continues from {best.name} instead", flush=True)
    if not shares_work():
        print(f"continues from epoch {epochs} of {max_epochs}", flush=True)
    return str(path)


def epochs_of_second(best: Path, last_error: ValueError) -> int:
    """Return the number of epochs in best.ckpt.

    Raises:
        ValueError: If it is damaged too; the message names both files.
    """
    try:
        return resumable_epochs(best)
    except ValueError as error:
        raise ValueError(f"{last_error}, and {error}; overwrite=true trains from the beginning") from error


def resumable_epochs(path: Path) -> int:
    """Return the number of epochs in a checkpoint that a training can continue from.

    Raises:
        ValueError: If the file is missing or damaged, or does not contain the state of the training.
    """
    checkpoint = read_checked(path)
    if not all(checkpoint.get(key) for key in TRAINING_STATE[:2]):
        raise ValueError(f"{path} contains no state of a training")
    return checkpoint["epoch"] + 1
