"""What a trainer writes while it trains, and where it continues."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ptycho_bench.training.callbacks import EpochProgressBar, EpochRecorder, ProcessControl, peak_memory_mb
from ptycho_bench.training.checkpoints import AtomicCheckpointIO
from ptycho_bench.training.digest import read_checked
from ptycho_bench.training.fit import callbacks, fit, interruption_noted, make_trainer
from ptycho_bench.training.processes import PARENT_VARIABLE
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
    _, best, last, _ = callbacks(tmp_path, print, terminal=False)
    assert (best.monitor, best.filename, last.filename) == ("val_total", "best", "last")


@pytest.mark.parametrize("terminal", [False, True])
def test_each_epoch_is_printed_also_on_a_terminal_which_shows_a_progress_bar_too(tmp_path, capsys, terminal):
    recorder, *others = callbacks(tmp_path, print, terminal=terminal)
    recorder.print_line("epoch 1/2")
    assert capsys.readouterr().out == "epoch 1/2\n"
    assert isinstance(others[-1], EpochProgressBar) is terminal


def test_a_checkpoint_that_cannot_be_written_leaves_the_previous_one(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)

    def full_disk(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("ptycho_bench.training.checkpoints.write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        AtomicCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert read_checked(path)["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
def test_a_precision_that_a_cpu_lacks_is_refused_without_a_warning(tmp_path, recwarn, accelerator):
    devices = {**DEVICES, "accelerator": accelerator, "precision": "16-mixed"}
    with pytest.raises(ValueError, match="16-mixed needs a GPU, and a CPU was chosen; use bf16-mixed or 32-true"):
        make_trainer(recipe(), folder=tmp_path, write_row=print, **devices)
    assert not [warning for warning in recwarn if "fp16" in str(warning.message)]


def test_an_error_notes_after_which_epoch_it_came():
    trainer = SimpleNamespace(strategy=SimpleNamespace(checkpoint_io=AtomicCheckpointIO()), max_epochs=9)
    with pytest.raises(KeyboardInterrupt) as caught, interruption_noted(trainer):
        raise KeyboardInterrupt
    assert not hasattr(caught.value, "__notes__")
    trainer.strategy.checkpoint_io.epochs = 2
    with pytest.raises(KeyboardInterrupt) as caught, interruption_noted(trainer):
        raise KeyboardInterrupt
    assert caught.value.__notes__ == ["after epoch 2 of 9"]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (SystemExit(1), KeyboardInterrupt),
        (RuntimeError("[gloo] Connection reset by peer"), ConnectionError),
        (RuntimeError("out of memory"), RuntimeError),
    ],
)
def test_what_ends_a_training_is_not_hidden(tmp_path, error, raised):
    def train(*arguments: object, **options: object) -> None:
        assert os.environ[PARENT_VARIABLE] == str(os.getpid())  # the processes that Lightning starts end with this one
        raise error

    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    trainer = SimpleNamespace(
        strategy=strategy, fit=train, default_root_dir=tmp_path, max_epochs=1, world_size=2, is_global_zero=True
    )
    with pytest.raises(raised):
        fit(trainer, None, None)
    assert PARENT_VARIABLE not in os.environ


def test_the_handler_of_sigterm_stays_and_other_processes_are_ended():
    def lightning(number: int, frame: object) -> None:
        pass

    before = signal.getsignal(signal.SIGTERM)
    control, killed = ProcessControl(), []
    control.setup(None, None, "fit")
    signal.signal(signal.SIGTERM, lightning)
    control.on_train_start(None, None)
    assert signal.getsignal(signal.SIGTERM) is before
    processes = [SimpleNamespace(kill=lambda: killed.append(1))]
    launcher = SimpleNamespace(procs=processes)
    control.on_exception(SimpleNamespace(strategy=SimpleNamespace(launcher=launcher)), None, ValueError())
    assert killed == [1] and not processes  # Lightning's observer finds none to kill this process for
    control.on_exception(SimpleNamespace(strategy=SimpleNamespace(launcher=None)), None, ValueError())


def test_the_progress_bar_counts_epochs_from_one():
    bar = EpochProgressBar()
    bar._trainer = SimpleNamespace(max_epochs=3, sanity_checking=False)
    assert bar._get_train_description(0).rstrip() == "epoch 1/3"


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
    EpochRecorder(rows.append, lines.append).on_train_epoch_end(trainer_at(2, first=False), module)
    assert len(rows) == len(lines) == 1  # another process writes nothing


def test_the_peak_of_memory_covers_what_was_allocated():
    before = peak_memory_mb(torch.device("cpu"))
    block = torch.ones(20_000_000)
    assert peak_memory_mb(torch.device("cpu")) >= before
    assert peak_memory_mb(torch.device("cpu")) > block.nbytes / 1e6
