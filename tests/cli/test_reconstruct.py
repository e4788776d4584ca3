"""ptycho-reconstruct by network, solver and both, from files of this and of other projects."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptycho_bench.data.store import read_scan
from tests.cli.conftest import error_line, record

PLAIN = ("frc=false", "pictures=false")
SHORT = ("solver=epie", "solver.iterations=2", *PLAIN)


def results(outputs: Path, what: str = "*") -> tuple[Path, dict]:
    """Return the folder and the record of the latest reconstruction."""
    folders = sorted((outputs / "reconstructions").glob(f"*/{what}"), key=lambda folder: folder.stat().st_mtime)
    return folders[-1], record(folders[-1])


def test_a_solver_writes_object_pictures_and_numbers(command, scan_file, tmp_path):
    code, out, err = command("reconstruct", str(scan_file), "solver=epie", "solver.iterations=4")
    assert code == 0, err
    folder, solved = results(tmp_path)
    assert {file.name for file in folder.iterdir()} == {
        "config.yaml", "env.json", "errors.csv", "object.cxi", "object.h5", "pictures", "results.json"
    }  # fmt: skip
    assert {file.name for file in (folder / "pictures").iterdir()} == {"errors.png", "frc.png", "object.png"}
    assert solved["iterations"] == 4
    assert solved["truth"] == "simulated from ltem"
    assert solved["frc"]["half_bit"]["resolution_px"] >= 2
    assert 0 < solved["misfit"]["mean"] < 0.5
    assert f"diffraction misfit {solved['misfit']['mean']:.4f} (mean)" in out
    errors = (folder / "errors.csv").read_text().splitlines()
    assert errors[0] == "iteration,misfit" and len(errors) == 5
    with h5py.File(folder / "object.h5") as handle:
        assert handle["object"].shape == (1, 128, 128)
        assert handle["object"].attrs["pixel_width_m"] == 4e-9


def test_a_network_needs_no_other_file(command, small_run, scan_file, tmp_path):
    code, _, err = command("reconstruct", str(scan_file), str(small_run / "best.ckpt"), *PLAIN)
    assert code == 0, err
    folder, solved = results(tmp_path)
    assert folder.name.startswith(record(small_run)["run"])
    assert solved["iterations"] == 0
    assert "frc" not in solved
    assert set(solved["metrics"]["stitched"]) >= {"amplitude_ssim", "phase_aligned_psnr_db", "diffraction_misfit"}
    assert solved["metrics"]["scaled_by"] == "training"
    assert solved["cold_seconds"] > 0 and solved["repeats"] == 10


def test_the_metrics_of_the_tested_region_are_the_stitched_metrics_of_the_training(
    command, small_run, scan_file, tmp_path
):
    words = ("region=test", *PLAIN)
    code, _, err = command("reconstruct", str(scan_file), str(small_run / "best.ckpt"), *words)
    assert code == 0, err
    trained = record(small_run)["metrics"]["stitched"]
    _, solved = results(tmp_path)
    for name in ("amplitude_psnr_db", "phase_psnr_db"):  # training stitches the truth, here it is the object itself
        assert solved["metrics"]["stitched"][name] == pytest.approx(trained[name], rel=0.02)


def test_patches_of_a_network_can_be_synchronised_but_not_moved(command, small_run, scan_file, tmp_path):
    words = (str(scan_file), str(small_run / "best.ckpt"), *PLAIN)
    code, _, err = command("reconstruct", *words, "stitch=synchronised")
    assert code == 0, err
    assert results(tmp_path)[1]["metrics"]["protocol"]["stitch"]["synchronised"] is True
    err = error_line(command("reconstruct", *words, "stitch=ppn_released"))
    assert "stitch.step_px=9 moves patches, but an object needs true positions; set it to null" in err


def test_the_range_of_another_scan_is_that_of_its_own_field(command, small_run, scan_file, tmp_path):
    assert command("reconstruct", str(scan_file), *SHORT)[0] == 0
    _, solved = results(tmp_path)
    assert solved["metrics"]["scaled_by"] == "scored field" and "repeats" not in solved
    assert solved["metrics"]["constant"]["stitched"]["diffraction_misfit"] > solved["misfit"]["mean"]
    words = (*SHORT, "region=test", f"region_of={small_run / 'best.ckpt'}")
    assert command("reconstruct", str(scan_file), *words)[0] == 0
    trained, tested = record(small_run)["metrics"], results(tmp_path)[1]["metrics"]
    assert tested["scaled_by"] == "training"
    assert tested["constant"]["stitched"]["phase_mse"] == pytest.approx(
        trained["constant"]["stitched"]["phase_mse"], rel=0.02
    )


def test_a_solver_can_start_from_the_object_of_a_network(command, small_run, scan_file, tmp_path):
    assert command("reconstruct", str(scan_file), *SHORT)[0] == 0
    cold_folder, cold = results(tmp_path, "epie-*")
    code, _, err = command("reconstruct", str(scan_file), *SHORT, f"warm_start={small_run / 'best.ckpt'}")
    assert code == 0, err
    folder, warm = results(tmp_path, "epie-from-*")
    first = [float((f / "errors.csv").read_text().splitlines()[1].split(",")[1])
             for f in (folder, cold_folder)]  # fmt: skip
    assert first[0] != first[1]
    assert warm["iterations"] == cold["iterations"] == 2


def test_a_solved_scan_can_be_trained_on_and_its_probe_of_several_modes_solved_with(command, scan_file, tmp_path):
    words = ("solver=rpie", "solver.iterations=2", "solver.modes=2", "triplets=true", *PLAIN)
    code, out, err = command("reconstruct", str(scan_file), *words)
    assert code == 0, err
    triplets = results(tmp_path)[0] / "triplets.h5"
    assert f"next: ptycho-train data=file data.file_path={triplets} split=region" in out
    assert read_scan(triplets).info.origin.startswith("solved by rpie, simulated from ltem")
    train = ("data=file", f"data.file_path={triplets}", "split=region", "model=ptychonn", "model.width=4")
    code, out, err = command("train", *train, "recipe.epochs=1", "trainer=cpu", "pictures=false")
    assert code == 0, err
    assert "; 1 epoch " in out
    code, _, err = command("reconstruct", str(triplets), *SHORT)
    assert code == 0, err


def test_a_ptychodus_product_can_be_imported_again(command, scan_file, tmp_path):
    assert command("reconstruct", str(scan_file), *SHORT)[0] == 0
    folder, _ = results(tmp_path)
    own = read_scan(scan_file)
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


def test_a_file_of_another_project_is_imported_first(command, scan_file, tmp_path):
    own = read_scan(scan_file)
    np.savez(tmp_path / "star.npz", data=np.fft.ifftshift(own.diffraction, axes=(1, 2))[None],
             scan=own.positions_px[None] + 8, probe=own.probe[None, None, None])  # fmt: skip
    code, out, err = command("reconstruct", f"{tmp_path}/star.npz", "solver=epie", "solver.iterations=4", *PLAIN)
    assert code == 0, err
    assert "read as tike" in out
    _, solved = results(tmp_path)
    assert solved["misfit"]["mean"] < 0.2
    assert "metrics" not in solved


def test_a_file_is_imported_again_if_a_file_that_it_links_to_has_changed(command, scan_file, tmp_path):
    own = read_scan(scan_file)
    with h5py.File(tmp_path / "master.h5", "w") as handle:
        handle["frames"] = h5py.ExternalLink("frames.h5", "data")
        handle["places"] = own.positions_px
    words = ("format=keys", "format.diffraction=frames", "format.positions=places", "format.positions_unit=px")
    for factor, times in ((1, 1), (2, 2), (2, 2)):
        with h5py.File(tmp_path / "frames.h5", "w", track_times=False) as handle:
            handle.create_dataset("data", data=factor * own.diffraction, track_times=False)
        command_line = (f"{tmp_path}/master.h5", *words, *SHORT, "solver.iterations=1", "solver.refine_probe=true")
        code, _, err = command("reconstruct", *command_line)
        assert code == 0, err
        assert len(list((tmp_path / "imported").iterdir())) == times


def test_reconstructions_with_another_probe_or_with_triplets_have_folders_of_their_own(command, scan_file, tmp_path):
    own = read_scan(scan_file)
    assert command("reconstruct", str(scan_file), *SHORT, "triplets=true")[0] == 0
    kept = results(tmp_path)[0] / "triplets.h5"
    np.save(tmp_path / "probe.npy", own.probe * 1j)
    for words in ((), (f"probe_path={tmp_path}/probe.npy",)):
        assert command("reconstruct", str(scan_file), *SHORT, *words)[0] == 0
    assert len(list((tmp_path / "reconstructions" / "scan").iterdir())) == 3
    assert kept.is_file()


def test_the_object_is_kept_if_its_resolution_cannot_be_measured(command, scan_file, tmp_path):
    words = ("solver=epie", "solver.iterations=2", "region=[0,20,0,20]", "pictures=false")
    code, out, err = command("reconstruct", str(scan_file), *words)
    assert code == 0, err
    folder, solved = results(tmp_path)
    assert "failed" in solved["frc"] and "no resolution" in out
    assert (folder / "object.h5").is_file()


REFUSED = {
    "a bin that does not fit": (("solver=epie", "triplets=true", "triplets_bin=3"), "a bin of 3 px does not divide"),
    "neither": ((), "neither a checkpoint nor a solver is named"),
    "both": (("solver=epie", "CHECKPOINT"), "both a checkpoint and a solver are named: warm_start="),
    "warm start without a file": (("solver=epie", "warm_start=x.ckpt"), "no trained network x.ckpt"),
    "region without checkpoint": (("solver=epie", "region=test"), "region=test is that of a checkpoint"),
    "probe of another size": (("solver=epie", "PROBE"), "the probe is .* patterns 16 px"),
    "more modes than known": (("solver=epie", "solver.modes=3"), "refine_probe=true"),
    "impossible solver": (("solver=epie", "solver.batch_size=0"), r"batch_size must lie in \[1, 1000000\]"),
    "impossible batch": (("solver=epie", "batch_size=0"), r"batch_size must lie in \[1, 1000000\], got 0"),
    "no truth value": (("solver=epie", "frc=1"), "frc must be true or false, got 1"),
    "no checkpoint": (("absent.ckpt",), "no trained network absent.ckpt; a finished run has one"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_reconstructed_is_refused_in_one_line(command, scan_file, small_run, tmp_path, words, message):
    np.save(tmp_path / "probe.npy", np.ones((8, 8), np.complex64))
    places = {"CHECKPOINT": str(small_run / "best.ckpt"), "PROBE": f"probe_path={tmp_path}/probe.npy"}
    result = command("reconstruct", str(scan_file), *(places.get(word, word) for word in words))
    assert re.search(message, error_line(result))
    assert not list(tmp_path.glob("reconstructions/*/*/results.json"))


def test_a_missing_file_is_refused_in_one_line(command):
    assert "no file absent.h5" in error_line(command("reconstruct", "absent.h5", "solver=epie"))
