"""Wrong input gives exit code 1 and one line that names the value and the way out, and leaves nothing behind."""

from pathlib import Path

import h5py
import pytest

from tests.cli.conftest import SMALL_RUN, SMALL_SCAN, SMALL_TRAINING, error_line

BEFORE_DATA = ("data=curved", "loss=geodesic", "seed=x")


def refused(result: tuple[int, str, str], outputs: Path) -> str:
    """Check that a training was refused with one line and has written neither a run nor part of a file."""
    line = error_line(result)
    assert not list(outputs.glob("runs/*/*"))
    assert not list(outputs.rglob("*.partial"))
    return line


def trained_on(path: Path) -> tuple[str, ...]:
    """Return the words of a small run on a file."""
    return "data=file", f"data.file_path={path}", *SMALL_TRAINING, "recipe.epochs=1"


@pytest.mark.parametrize(
    ("word", "message"),
    {
        "modle=ppn": "no key 'modle', did you mean 'model'?",
        "model=pnp": "no model named 'pnp', did you mean 'ppn'?",
        "data.overlap=0.5": "no key 'data.overlap', did you mean 'data.overlap_ratio'?",
        "+model.widht=3": "no key 'model.widht', did you mean 'width'?",
        "seed=[": "cannot read the override",
        "seed=x": "seed must be a whole number, got 'x'",
        "trainer.precision=foo": "foo",
        "trainer.strategy=dpp": "dpp",
        "data.overlap_ratio=1": "overlap_ratio must lie in [0, 1), got 1; 75 % is written 0.75",
        "split.train_rows=[0,99]": "split.train_rows [0, 99) does not fit the scan's 15 rows",
        "split.test_rows=[9,15]": "overlap; the test rows must not be training rows",
        "loss=geodesic": "loss=geodesic compares points of the unit circle, but this phase representation has none",
        "data=curved": "data=curved is held out: it is never trained on; score a trained network on it with",
    }.items(),
)
def test_a_wrong_word_is_answered_with_the_right_one(command, tmp_path, word, message):
    assert message in refused(command("train", *SMALL_RUN, word), tmp_path)
    if word in BEFORE_DATA:
        assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("data=ad_ltem", "data_root=nowhere"), "no file nowhere/ad_ltem/design_amp.tiff"),
        (("data=file",), "data.file_path has no value; give it on the command line as data.file_path=VALUE"),
    ],
)
def test_missing_data_is_named(command, tmp_path, words, message):
    assert message in refused(command("train", *words, *SMALL_TRAINING), tmp_path)


def test_a_file_of_a_held_out_object_is_not_trained_on_either(command, tmp_path):
    path = tmp_path / "scan.h5"
    assert command("simulate", *SMALL_SCAN, "data=curved", f"out={path}")[0] == 0
    err = refused(command("train", *trained_on(path)), tmp_path)
    assert "is held out: it is never trained on" in err


def with_nan(path: Path) -> None:
    with h5py.File(path, "r+") as handle:
        handle["diffraction"][3, 1, 1] = float("nan")


def with_another_value(path: Path) -> None:
    with h5py.File(path, "r+") as handle:
        handle["phase"][0, 0, 0] = 0.25


def without_phase(path: Path) -> None:
    with h5py.File(path, "r+") as handle:
        del handle["phase"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (with_nan, "diffraction contains 1 NaN"),
        (with_another_value, "has changed since it was written"),
        (without_phase, "has no phase"),
        (lambda path: path.write_bytes(path.read_bytes()[:9000]), "truncated"),
        (lambda path: path.write_bytes(b"text" * 99), "signature not found"),
        (lambda path: path.unlink(), "no file"),
    ],
)
def test_a_damaged_file_is_refused_and_its_defect_is_named(command, tmp_path, scan_file, damage, message):
    path = tmp_path / "scan.h5"
    path.write_bytes(scan_file.read_bytes())
    damage(path)
    assert message in refused(command("train", *trained_on(path)), tmp_path)


def test_a_file_trains(command, scan_file, tmp_path):
    code, out, err = command("train", *trained_on(scan_file))
    assert code == 0, err
    choices = "model=ptychonn input=counts amplitude=scaled phase=scaled loss=weighted recipe=ppn"
    assert out.startswith(f"data=file split=ppn noise=none {choices}\n")
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_written_is_named(command, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    err = error_line(command("train", *SMALL_RUN, f"outputs_dir={blocked}"))
    assert "blocked" in err
    assert "outputs_dir=FOLDER" in err


def test_a_full_disk_leaves_nothing_half_written(command, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", full)
    assert "No space left on device" in refused(command("train", *SMALL_RUN), tmp_path)
    assert not list((tmp_path / "data").iterdir())


def test_a_traceback_is_shown_when_asked_for(command, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    _, _, err = command("train", *SMALL_RUN, "loss.alpha=3")
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("error: loss.alpha must lie in [0, 1], got 3")


def test_overwrite_keeps_a_finished_run_until_the_new_one_can_start(command, small_run):
    before = (small_run / "results.json").read_text()
    error_line(command("train", *SMALL_RUN, "overwrite=true", "data_root=x", "trainer.devices=0"))
    assert (small_run / "results.json").read_text() == before


def test_patterns_too_small_to_be_measured_are_refused_before_training(command, tmp_path):
    words = (*SMALL_RUN, "data.probe.size_px=8", "loss=mse")
    assert "SSIM needs images of at least 11 px, got (8, 8)" in refused(command("train", *words), tmp_path)
