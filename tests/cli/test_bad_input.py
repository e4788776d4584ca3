"""Whatever is wrong: exit code 1, one line that names value, bound and way out, nothing half-written left behind."""

from pathlib import Path

import h5py
import pytest

from tests.cli.conftest import SMALL_RUN, SMALL_SCAN

FILE_RUN = ("data=file", *(word for word in SMALL_RUN if not word.startswith("data.")))


BEFORE_DATA = ("loss=geodesic", "input.neighbours=-1", "data=curved")


def refused(result: tuple[int, str, str], tmp_path: Path) -> str:
    code, _, err = result
    assert code == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("runs/*/*"))
    assert not list(tmp_path.rglob("*.partial"))
    return err


@pytest.mark.parametrize(
    ("word", "message"),
    {
        "modle=ppn": "no key 'modle', did you mean 'model'?",
        "model=pnp": "no model named 'pnp', did you mean 'ppn'?",
        "loss=mes": "no loss named 'mes', did you mean 'mse'?",
        "data.overlap=0.5": "no key 'data.overlap', did you mean 'data.overlap_ratio'?",
        "+model.widht=3": "PtychoNN takes no 'widht', did you mean 'width'?",
        "model.width=[4]": "width must be int, got [4]",
        "data.obj.size_px=big": "size_px must be int, got 'big'",
        "split.train_rows=5": "train_rows must be a list, got 5",
        "split.train_rows=[0,x]": "train_rows must be int, got 'x'",
        "recipe.optimizer.lr=-1": "recipe.optimizer or recipe.scheduler: Invalid learning rate: -1",
        "recipe.scheduler.factor=2": "recipe.optimizer or recipe.scheduler: Factor should be < 1.0",
        "trainer.precision=foo": "foo",
        "trainer.strategy=dpp": "dpp",
        "metrics.stitch_weight=central": "metrics.central_px must be set",
        "model.width=wide": "width must be int, got 'wide'",
        "seed=x": "seed must be int, got 'x'",
        "data.overlap_ratio=1": "overlap_ratio must lie in [0, 1), got 1; 75 % is written 0.75",
        "data.overlap_ratio=-0.1": "overlap_ratio must lie in [0, 1), got -0.1",
        "data.step_px=4": "give one of overlap_ratio and step_px, got 0.5 and 4",
        "split.train_rows=[0,99]": "split.train_rows [0, 99) does not fit the scan's 15 rows",
        "split.test_rows=[9,15]": "overlap; the test rows must not be training rows",
        "data.probe.size_px=20": "PtychoNN needs patterns whose side is divisible by 8, got 20 px",
        "recipe.epochs=0": "recipe.epochs must be at least 1, got 0",
        "loss.alpha=1.5": "loss.alpha must lie in [0, 1], got 1.5",
        "loss=geodesic": "loss=geodesic compares points of the unit circle, but this phase representation has none",
        "input.neighbours=-1": "input.neighbours must be at least 0, got -1; 1 is a 3 x 3 neighbourhood",
        "data=curved": "data=curved is held out: it is never trained on; score a trained network on it with",
        "metrics.ssim_window=round": "metrics.ssim_window must be gaussian or uniform, got 'round'",
        "data=ad_ltem": "no file nowhere/ad_ltem/design_amp.tiff",
        "data=file": "data.file_path has no value; give it on the command line as data.file_path=VALUE",
        "seed=[": "cannot read the override",
    }.items(),
)
def test_a_wrong_word_is_answered_with_the_right_one(command, tmp_path, word, message):
    words = FILE_RUN if word == "data=file" else (*SMALL_RUN, word)
    if word == "data=ad_ltem":
        words = (word, "data_root=nowhere")
    assert message in refused(command("train", *words), tmp_path)
    if word in BEFORE_DATA:
        assert not (tmp_path / "data").exists()


def test_a_file_of_a_held_out_object_is_not_trained_on_either(command, tmp_path):
    path = tmp_path / "scan.h5"
    assert command("simulate", *SMALL_SCAN, "data=curved", f"out={path}")[0] == 0
    err = refused(command("train", *FILE_RUN, f"data.file_path={path}"), tmp_path)
    assert "is held out: it is never trained on" in err


@pytest.fixture
def scan_file(command, tmp_path) -> Path:
    path = tmp_path / "scan.h5"
    assert command("simulate", *SMALL_SCAN, f"out={path}")[0] == 0
    return path


def test_a_file_trains_and_its_defects_are_named(command, tmp_path, scan_file):
    whole = scan_file.read_bytes()

    def damaged(change) -> str:
        scan_file.write_bytes(whole)
        with h5py.File(scan_file, "r+") as handle:
            change(handle)
        return refused(command("train", *FILE_RUN, f"data.file_path={scan_file}"), tmp_path)

    def put(name, index, value):
        def change(handle):
            handle[name][index] = value

        return change

    def swap(name, array):
        def change(handle):
            del handle[name]
            handle[name] = array

        return change

    assert "diffraction contains 1 NaN" in damaged(put("diffraction", (3, 1, 1), float("nan")))
    assert "diffraction reaches -1; it must be >= 0" in damaged(put("diffraction", (3, 1, 1), -1))
    assert "content hash differs" in damaged(put("phase", (0, 0, 0), 0.25))
    assert "phase has shape (5, 16, 16), but diffraction needs (225, 16, 16)" in damaged(
        swap("phase", [[[0.0] * 16] * 16] * 5)
    )
    assert "has no phase" in damaged(lambda handle: handle.__delitem__("phase"))
    for content, message in (
        (whole[:9000], "truncated"),
        (b"", "cannot be read"),
        (b"text" * 99, "signature not found"),
    ):
        scan_file.write_bytes(content)
        assert message in refused(command("train", *FILE_RUN, f"data.file_path={scan_file}"), tmp_path)
    scan_file.unlink()
    assert "no file" in refused(command("train", *FILE_RUN, f"data.file_path={scan_file}"), tmp_path)
    scan_file.write_bytes(whole)
    assert command("train", *FILE_RUN, f"data.file_path={scan_file}")[0] == 0


def test_a_folder_that_cannot_be_written_is_named(command, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    code, _, err = command("train", *SMALL_RUN, f"outputs_dir={blocked}")
    assert code == 1
    assert "blocked" in err
    assert "outputs_dir=FOLDER" in err


def test_a_full_disk_leaves_nothing_half_written(command, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(h5py.Group, "create_dataset", full)
        assert "No space left on device" in refused(command("train", *SMALL_RUN), tmp_path)
    assert not list((tmp_path / "data").iterdir())


def test_a_traceback_is_shown_when_asked_for(command, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    _, _, err = command("train", *SMALL_RUN, "loss.alpha=3")
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("error: loss.alpha must lie in [0, 1], got 3")


def test_overwrite_spares_a_finished_run_until_the_new_one_can_start(command, small_run):
    before = (small_run / "results.json").read_text()
    code, _, err = command("train", *SMALL_RUN, "overwrite=true", "data_root=x", "trainer.devices=0")
    assert code == 1
    assert err.startswith("error:")
    assert (small_run / "results.json").read_text() == before


def test_patterns_too_small_to_be_measured_are_refused_before_training(command, tmp_path):
    words = (*SMALL_RUN, "data.probe.size_px=8", "loss=mse")
    assert "SSIM needs images of at least 11 px, got (8, 8)" in refused(command("train", *words), tmp_path)
