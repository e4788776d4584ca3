"""What a run says and writes while it trains: one row an epoch to metrics.csv, one line an epoch without a terminal."""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch

from ptycho_bench.training.module import PtychoModule


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory so far, MB: the device's, or the process's on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    status = Path("/proc/self/status")  # Linux; getrusage there begins with what the starting process had
    if status.is_file() and (found := re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)):
        return int(found[1]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


class EpochRecorder(L.Callback):
    """Hands a row an epoch to `write` (first process alone): loss terms, learning rate, seconds, memory, diagnostics.

    Args:
        write: takes the row.
        say: takes one line of text an epoch; or None.
    """

    def __init__(self, write: Callable[[dict], None], say: Callable[[str], None] | None) -> None:
        self.write, self.say = write, say
        self.started_s, self.learning_rate = 0.0, 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: PtychoModule) -> None:
        self.started_s = time.perf_counter()
        self.learning_rate = trainer.optimizers[0].param_groups[0]["lr"]  # the schedule moves on before the epoch's end

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
        self.write(row)
        for logger in trainer.loggers:
            logger.log_metrics(row, step=trainer.current_epoch)
        if self.say:
            self.say(
                f"epoch {row['epoch'] + 1}/{trainer.max_epochs}  train {row['train_total']:.5f}  "
                f"val {row['val_total']:.5f}  lr {row['learning_rate']:.1e}  {row['seconds']:.1f} s"
            )
