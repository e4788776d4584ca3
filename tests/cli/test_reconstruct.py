"""ptycho-reconstruct by network, solver and both, from own and others' files; what it writes and refuses."""

import json

import h5py
import numpy as np
import pytest

from ptycho_bench.data.store import read_scan
from tests.cli.conftest import SMALL_SCAN


@pytest.fixture
def scan(command, tmp_path):
    """A small simulated scan as a file."""
    code, _, err = command("simulate", *SMALL_SCAN, f"out={tmp_path}/scan.h5")
    assert code == 0, err
    return tmp_path / "scan.h5"


def results(tmp_path, what="*"):
    folders = sorted((tmp_path / "reconstructions").glob(f"*/{what}"), key=lambda folder: folder.stat().st_mtime)
    return folders[-1], json.loads((folders[-1] / "results.json").read_text())


SHORT = ("solver=epie", "solver.iterations=4")


def test_a_solver_writes_object_pictures_and_numbers(command, scan, tmp_path):
    code, out, err = command("reconstruct", str(scan), *SHORT)
    assert code == 0, err
    folder, record = results(tmp_path)
    assert {file.name for file in folder.iterdir()} == {
        "config.yaml", "env.json", "errors.csv", "object.cxi", "object.h5", "pictures", "results.json"
    }  # fmt: skip
    assert {file.name for file in (folder / "pictures").iterdir()} == {"errors.png", "frc.png", "object.png"}
    assert record["iterations"] == 4
    assert record["truth"] == "simulated from ltem"
    assert record["frc"]["half_bit"]["resolution_px"] >= 2
    assert 0 < record["misfit"]["mean"] < 0.5
    assert f"diffraction misfit {record['misfit']['mean']:.4f} (mean)" in out
    errors = (folder / "errors.csv").read_text().splitlines()
    assert errors[0] == "iteration,misfit" and len(errors) == 5
    with h5py.File(folder / "object.h5") as handle:
        assert handle["object"].shape == (1, 128, 128)
        assert handle["object"].attrs["pixel_width_m"] == 4e-9


def test_a_network_reconstructs_with_no_other_file(command, small_run, scan, tmp_path):
    code, _, err = command("reconstruct", str(scan), str(small_run / "best.ckpt"), "frc=false", "pictures=false")
    assert code == 0, err
    folder, record = results(tmp_path)
    assert folder.name.startswith(json.loads((small_run / "results.json").read_text())["run"])
    assert record["iterations"] == 0
    assert "frc" not in record
    assert set(record["metrics"]) >= {"amplitude_ssim", "phase_aligned_psnr_db"}


def test_the_tested_region_alone_gives_the_training_runs_stitched_metrics(command, small_run, scan, tmp_path):
    words = ("region=test", "frc=false", "pictures=false")
    code, _, err = command("reconstruct", str(scan), str(small_run / "best.ckpt"), *words)
    assert code == 0, err
    trained = json.loads((small_run / "results.json").read_text())["metrics"]["stitched"]
    _, record = results(tmp_path)
    for name in ("amplitude_psnr_db", "phase_psnr_db"):  # stitched truth there, the object itself here
        assert record["metrics"][name] == pytest.approx(trained[name], rel=0.02)


def test_a_solver_may_start_where_a_network_ends(command, small_run, scan, tmp_path):
    assert command("reconstruct", str(scan), *SHORT, "frc=false", "pictures=false")[0] == 0
    cold_folder, cold = results(tmp_path, "epie-*")
    words = (f"warm_start={small_run / 'best.ckpt'}", "frc=false", "pictures=false")
    code, _, err = command("reconstruct", str(scan), *SHORT, *words)
    assert code == 0, err
    folder, warm = results(tmp_path, "epie-from-*")
    first = [float((f / "errors.csv").read_text().splitlines()[1].split(",")[1])
             for f in (folder, cold_folder)]  # fmt: skip
    assert first[0] != first[1]
    assert warm["iterations"] == cold["iterations"] == 4


def test_what_was_solved_can_be_trained_on(command, scan, tmp_path):
    words = ("solver=rpie", "solver.iterations=3", "solver.modes=1", "triplets=true", "frc=false", "pictures=false")
    assert command("reconstruct", str(scan), *words)[0] == 0
    folder, _ = results(tmp_path)
    solved = read_scan(folder / "triplets.h5")
    assert solved.info.origin.startswith("solved by rpie, simulated from ltem")
    train = ("data=file", f"data.file_path={folder}/triplets.h5", "split=region", "model=ptychonn", "model.width=4")
    code, out, err = command("train", *train, "recipe.epochs=1", "trainer=cpu", "pictures=false")
    assert code == 0, err
    assert "1 epochs" in out


def test_a_ptychodus_product_comes_back_as_it_went_out(command, scan, tmp_path):
    assert command("reconstruct", str(scan), *SHORT, "frc=false", "pictures=false")[0] == 0
    folder, _ = results(tmp_path)
    own = read_scan(scan)
    with h5py.File(tmp_path / "diffraction.h5", "w") as handle:
        handle["dp"] = own.diffraction
    code, out, err = command("import", f"{folder}/object.h5", f"{tmp_path}/diffraction.h5", f"out={tmp_path}/back.h5")
    assert code == 0, err
    assert "read as ptychodus" in out
    back = read_scan(tmp_path / "back.h5")
    np.testing.assert_allclose(back.positions_px, own.positions_px, atol=1e-6)
    np.testing.assert_allclose(back.probe, own.probe, atol=1e-4)
    with h5py.File(folder / "object.h5") as handle:
        y, x = own.positions_px[77].astype(int)
        np.testing.assert_allclose(back.amplitude[77], np.abs(handle["object"][0])[y : y + 16, x : x + 16], rtol=1e-5)


def test_a_file_of_another_project_is_imported_first(command, scan, tmp_path):
    own = read_scan(scan)
    np.savez(tmp_path / "star.npz", data=np.fft.ifftshift(own.diffraction, axes=(1, 2))[None],
             scan=own.positions_px[None] + 8, probe=own.probe[None, None, None])  # fmt: skip
    code, out, err = command("reconstruct", f"{tmp_path}/star.npz", *SHORT, "frc=false", "pictures=false")
    assert code == 0, err
    assert "read as tike" in out
    _, record = results(tmp_path)
    assert record["misfit"]["mean"] < 0.2
    assert "metrics" not in record


def test_an_edited_file_that_is_only_linked_to_is_imported_anew(command, scan, tmp_path):
    own = read_scan(scan)
    with h5py.File(tmp_path / "master.h5", "w") as handle:
        handle["frames"] = h5py.ExternalLink("frames.h5", "data")
        handle["places"] = own.positions_px
    words = ("format=keys", "format.diffraction=frames", "format.positions=places", "format.positions_unit=px")
    for factor, times in ((1, 1), (2, 2), (2, 2)):
        with h5py.File(tmp_path / "frames.h5", "w", track_times=False) as handle:
            handle.create_dataset("data", data=factor * own.diffraction, track_times=False)
        command_line = (
            f"{tmp_path}/master.h5",
            *words,
            *SHORT,
            "solver.refine_probe=true",
            "frc=false",
            "pictures=false",
        )
        code, _, err = command("reconstruct", *command_line)
        assert code == 0, err
        assert len(list((tmp_path / "imported").iterdir())) == times


def test_different_probes_and_triplets_have_folders_of_their_own(command, scan, tmp_path):
    own = read_scan(scan)
    short = (*SHORT, "frc=false", "pictures=false")
    assert command("reconstruct", str(scan), *short, "triplets=true")[0] == 0
    kept = results(tmp_path)[0] / "triplets.h5"
    np.save(tmp_path / "probe.npy", own.probe * 1j)
    for words in ((), (f"probe_path={tmp_path}/probe.npy",)):
        assert command("reconstruct", str(scan), *short, *words)[0] == 0
    assert len(list((tmp_path / "reconstructions" / "scan").iterdir())) == 3
    assert kept.is_file()


def test_a_resolution_that_cannot_be_had_keeps_the_object(command, scan, tmp_path):
    words = ("solver=epie", "solver.iterations=2", "region=[0,20,0,20]", "pictures=false")
    code, out, err = command("reconstruct", str(scan), *words)
    assert code == 0, err
    folder, record = results(tmp_path)
    assert "failed" in record["frc"] and "no resolution" in out
    assert (folder / "object.h5").is_file()


def test_a_probe_of_several_modes_needs_no_word(command, scan, tmp_path):
    words = ("solver=rpie", "solver.iterations=2", "solver.modes=2", "triplets=true", "frc=false", "pictures=false")
    assert command("reconstruct", str(scan), *words)[0] == 0
    triplets = results(tmp_path)[0] / "triplets.h5"
    code, _, err = command("reconstruct", str(triplets), *SHORT, "frc=false", "pictures=false")
    assert code == 0, err


REFUSED = {
    "a bin that does not fit": (("solver=epie", "triplets=true", "triplets_bin=3"), "a bin of 3 px does not divide"),
    "neither": ((), "neither a checkpoint nor a solver is named"),
    "both": (("solver=epie", "CHECKPOINT"), "warm_start="),
    "warm start without a solver": (("warm_start=x.ckpt",), "neither a checkpoint|is for a solver"),
    "no file": (("solver=epie", "FILE=absent.h5"), "no file absent.h5"),
    "region without checkpoint": (("solver=epie", "region=test"), "region=test is that of a checkpoint"),
    "probe of another size": (("solver=epie", "PROBE"), "the probe is .* patterns 16 px"),
    "more modes than known": (("solver=epie", "solver.modes=3"), "refine_probe=true"),
    "impossible solver": (("solver=epie", "solver.batch_size=0"), "batch_size must be .*at least 1"),
    "no checkpoint": (("absent.ckpt",), "no checkpoint absent.ckpt"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_gets_one_line(command, scan, tmp_path, request, words, message):
    import re

    words, file = list(words), str(scan)
    if "CHECKPOINT" in words:
        words[words.index("CHECKPOINT")] = str(request.getfixturevalue("small_run") / "best.ckpt")
    if "PROBE" in words:
        np.save(tmp_path / "probe.npy", np.ones((8, 8), np.complex64))
        words[words.index("PROBE")] = f"probe_path={tmp_path}/probe.npy"
    if any(word.startswith("FILE=") for word in words):
        file = next(word for word in words if word.startswith("FILE=")).removeprefix("FILE=")
        words = [word for word in words if not word.startswith("FILE=")]
    code, _, err = command("reconstruct", file, *words)
    lines = [line for line in err.splitlines() if line]
    assert code == 1
    assert len(lines) == 1 and re.search(message, lines[0]), err
