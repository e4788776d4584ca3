"""What a trainer writes while it trains, and where it continues."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ptycho_bench.data.atomic import write_bytes
from ptycho_bench.training.callbacks import EpochRecorder, peak_memory_mb
from ptycho_bench.training.fit import RESUME_VARIABLE, AtomicCheckpointIO, callbacks, checkpoint_to_resume, make_trainer
from tests.conftest import composed

DEVICES = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": "32-true"}


def recipe(**changes):
    from ptycho_bench.config.build import build

    return build({**composed("recipe=ppn")["recipe"], **changes})


def test_a_trainer_writes_nothing_before_it_trains(tmp_path):
    trainer = make_trainer(recipe(epochs=3), folder=tmp_path / "run", write_row=print, **DEVICES)
    assert trainer.max_epochs == 3
    assert not (tmp_path / "run").exists()


def test_a_batch_smaller_than_the_processes_is_refused(tmp_path):
    devices = {**DEVICES, "devices": 2, "strategy": "ddp"}
    with pytest.raises(ValueError, match="batch_size must be at least the 2 processes, got 1"):
        make_trainer(recipe(batch_size=1), folder=tmp_path, write_row=print, **devices)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="needs a CUDA device, found 0; use trainer=cpu"):
        make_trainer(recipe(), folder=tmp_path, write_row=print, **{**DEVICES, "accelerator": "gpu"})


def test_the_best_checkpoint_is_written_before_the_last(tmp_path):
    recorder, best, last = callbacks(tmp_path, print, terminal=False)
    assert (best.monitor, best.filename, last.filename) == ("val_total", "best", "last")
    assert recorder.print_line is not None
    assert callbacks(tmp_path, print, terminal=True)[0].print_line is None  # the progress bar shows it


def test_a_checkpoint_that_cannot_be_written_leaves_the_previous_one(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)

    def full_disk(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("ptycho_bench.training.fit.write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        AtomicCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_only_the_first_process_decides_whether_a_run_continues(tmp_path, monkeypatch):
    monkeypatch.delenv(RESUME_VARIABLE, raising=False)
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert checkpoint_to_resume(tmp_path) is None
    write_bytes(tmp_path / "last.ckpt", b"")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert checkpoint_to_resume(tmp_path) is None  # as the first process has decided
    monkeypatch.delenv("LOCAL_RANK")
    assert checkpoint_to_resume(tmp_path) == str(tmp_path / "last.ckpt")
    monkeypatch.delenv(RESUME_VARIABLE)


def trainer_at(epoch: int, first: bool = True) -> SimpleNamespace:
    """What a recorder reads of a trainer."""
    logged: list[dict] = []
    logger = SimpleNamespace(log_metrics=lambda row, step: logged.append({**row, "at": step}), logged=logged)
    optimizer = SimpleNamespace(param_groups=[{"lr": 1e-3}])
    return SimpleNamespace(
        is_global_zero=first, current_epoch=epoch, global_step=7, max_epochs=3, optimizers=[optimizer], loggers=[logger]
    )


def test_a_row_per_epoch_goes_to_the_file_to_every_logger_and_to_the_console():
    rows, lines = [], []
    module = SimpleNamespace(
        network=SimpleNamespace(model=SimpleNamespace(diagnostics=lambda: {"center_y_px": 16.0})),
        epoch_terms={"train_total": 0.5, "val_total": 0.25, "val_phase_psnr_db": 12.0},
        device=torch.device("cpu"),
    )
    recorder, trainer = EpochRecorder(rows.append, lines.append), trainer_at(1)
    recorder.on_train_epoch_start(trainer, module)
    trainer.optimizers[0].param_groups[0]["lr"] = 5e-4  # a schedule steps before the epoch ends
    recorder.on_train_epoch_end(trainer, module)
    (row,) = rows
    assert (row["epoch"], row["step"], row["learning_rate"], row["center_y_px"]) == (1, 7, 1e-3, 16.0)
    assert row["val_phase_psnr_db"] == 12.0 and row["seconds"] >= 0 and row["peak_memory_mb"] > 0
    assert trainer.loggers[0].logged == [{**row, "at": 1}]
    assert lines[0].startswith("epoch 2/3  train 0.50000  val 0.25000  lr 1.0e-03")
    EpochRecorder(rows.append, None).on_train_epoch_end(trainer_at(2, first=False), module)
    assert len(rows) == 1  # another process writes nothing


def test_the_peak_of_memory_covers_what_was_allocated():
    before = peak_memory_mb(torch.device("cpu"))
    block = torch.ones(20_000_000)
    assert peak_memory_mb(torch.device("cpu")) >= before
    assert peak_memory_mb(torch.device("cpu")) > block.nbytes / 1e6
