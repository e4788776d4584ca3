"""Record of a training: one row of numbers per epoch, and one printed line per epoch if there is no terminal."""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch

from ptycho_bench.training.module import PtychoModule


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory so far, MB: that of the device, or that of the process if it runs on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    status = Path("/proc/self/status")  # on Linux, getrusage starts at the peak of the parent process
    if status.is_file() and (found := re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)):
        return int(found[1]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


class EpochRecorder(L.Callback):
    """Collects one row per epoch: loss terms, metrics, learning rate, seconds, memory and the model's diagnostics.

    Only the first process writes.

    Args:
        write_row: called with the row.
        print_line: called with one line of text per epoch; or None.
    """

    def __init__(self, write_row: Callable[[dict], None], print_line: Callable[[str], None] | None) -> None:
        self.write_row, self.print_line = write_row, print_line
        self.started_s, self.learning_rate = 0.0, 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: PtychoModule) -> None:
        self.started_s = time.perf_counter()
        self.learning_rate = trainer.optimizers[0].param_groups[0]["lr"]  # changes before the epoch ends

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: PtychoModule) -> None:
        if not trainer.is_global_zero:
            return
        diagnostics = getattr(pl_module.network.model, "diagnostics", dict)
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            **pl_module.epoch_terms,
            "learning_rate": self.learning_rate,
            "seconds": time.perf_counter() - self.started_s,
            "peak_memory_mb": peak_memory_mb(pl_module.device),
            **diagnostics(),
        }
        self.write_row(row)
        for logger in trainer.loggers:
            logger.log_metrics(row, step=trainer.current_epoch)
        if self.print_line:
            self.print_line(
                f"epoch {row['epoch'] + 1}/{trainer.max_epochs}  train {row['train_total']:.5f}  "
                f"val {row['val_total']:.5f}  lr {row['learning_rate']:.1e}  {row['seconds']:.1f} s"
            )
