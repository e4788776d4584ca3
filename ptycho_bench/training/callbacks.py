"""What a training shows and records of each epoch, and how it ends the processes that take part in it."""

import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import RichProgressBar

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
        print_line: called with one line of text per epoch.
    """

    def __init__(self, write_row: Callable[[dict], None], print_line: Callable[[str], None]) -> None:
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
        self.print_line(
            f"epoch {row['epoch'] + 1}/{trainer.max_epochs}  train {row['train_total']:.5f}  "
            f"val {row['val_total']:.5f}  lr {row['learning_rate']:.1e}  {row['seconds']:.1f} s"
        )


class EpochProgressBar(RichProgressBar):
    """Lightning's progress bar, with epochs that are counted from 1, as in the printed lines."""

    def _get_train_description(self, current_epoch: int) -> str:
        return f"epoch {current_epoch + 1}/{self.trainer.max_epochs}".ljust(len(self.validation_description))


class ProcessControl(L.Callback):
    """Keeps the handler of SIGTERM that Lightning replaces, and ends the processes that Lightning has started.

    Lightning's handler finishes the epoch and then reports success. The other processes would wait for a process that
    has failed.
    """

    def __init__(self) -> None:
        self.handler: object | None = None

    def setup(self, trainer: L.Trainer, pl_module: PtychoModule, stage: str) -> None:
        self.handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: L.Trainer, pl_module: PtychoModule) -> None:
        if threading.current_thread() is threading.main_thread() and self.handler is not None:
            signal.signal(signal.SIGTERM, self.handler)

    def on_exception(self, trainer: L.Trainer, pl_module: PtychoModule, exception: BaseException) -> None:
        started = getattr(trainer.strategy.launcher, "procs", [])
        processes = list(started)
        started.clear()  # Lightning would kill this process when it sees that another one has ended
        for process in processes:
            process.kill()
