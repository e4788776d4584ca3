"""Where an interrupted training continues."""

import pytest

from ptycho_bench.training.checkpoints import (
    RESUME_VARIABLE,
    AtomicCheckpointIO,
    checkpoint_to_resume,
    resumable_epochs,
)


@pytest.fixture(autouse=True)
def first_process(monkeypatch):
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", RESUME_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path):
    """Folder of a training of five epochs, the third of which is the best."""
    for name, epoch in (("best.ckpt", 2), ("last.ckpt", 4)):
        state = {"epoch": epoch, "loops": {"fit_loop": {}}, "optimizer_states": [{}]}
        AtomicCheckpointIO().save_checkpoint(state, tmp_path / name)
    return tmp_path


def test_a_training_starts_without_a_checkpoint_and_continues_from_the_last_one(folder, capsys, tmp_path_factory):
    assert checkpoint_to_resume(tmp_path_factory.mktemp("empty"), 9) is None
    assert checkpoint_to_resume(folder, 9) == str(folder / "last.ckpt")
    assert capsys.readouterr().out == "continues from epoch 5 of 9\n"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", None])
def test_a_damaged_last_checkpoint_is_named_and_the_best_one_continues(folder, capsys, content):
    last = folder / "last.ckpt"
    last.write_bytes(last.read_bytes().replace(b"loops", b"loopz") if content is None else content)
    assert checkpoint_to_resume(folder, 9) == str(folder / "best.ckpt")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{last} ") and first.endswith("; the training continues from best.ckpt instead")
    assert second == "continues from epoch 3 of 9"


@pytest.mark.parametrize("best", [b"", None])
def test_two_damaged_checkpoints_are_one_error_with_the_way_out(folder, best):
    (folder / "last.ckpt").write_bytes(b"x")
    (folder / "best.ckpt").write_bytes(best) if best is not None else (folder / "best.ckpt").unlink()
    with pytest.raises(ValueError, match="overwrite=true trains from the beginning") as caught:
        checkpoint_to_resume(folder, 9)
    assert all(str(folder / name) in str(caught.value) for name in ("last.ckpt", "best.ckpt"))
    assert "\n" not in str(caught.value)


def test_a_checkpoint_without_the_state_of_the_training_is_not_continued(folder):
    AtomicCheckpointIO().save_checkpoint({"epoch": 2, "state_dict": {}}, folder / "best.ckpt")
    with pytest.raises(ValueError, match="contains no state of a training"):
        resumable_epochs(folder / "best.ckpt")


def test_only_the_first_process_decides_and_prints(folder, capsys, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv(RESUME_VARIABLE, "")
    assert checkpoint_to_resume(folder, 9) is None
    monkeypatch.setenv(RESUME_VARIABLE, "chosen.ckpt")
    assert checkpoint_to_resume(folder, 9) == "chosen.ckpt"
    assert capsys.readouterr().out == ""


def test_the_files_know_how_many_epochs_they_contain(tmp_path):
    files = AtomicCheckpointIO()
    files.save_checkpoint({"epoch": 6}, tmp_path / "best.ckpt")
    assert files.epochs == 0  # a training continues from the last one
    files.save_checkpoint({"epoch": 6}, tmp_path / "last.ckpt")
    assert files.epochs == 7
    reader = AtomicCheckpointIO()
    assert reader.load_checkpoint(tmp_path / "best.ckpt")["epoch"] == 6
    assert reader.epochs == 7
