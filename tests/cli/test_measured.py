"""Measured data sets by name: imported, solved if they contain no object, cached, and trained on."""

import re

import numpy as np
import pytest

from ptycho_bench.data.store import read_scan
from tests.cli.conftest import error_line, only_run, record


@pytest.fixture
def star(tmp_path, tiny_scan):
    """Words for which data=siemens reads the tiny scan, stored as tike does."""
    path = tmp_path / "star.npz"
    np.savez(path, data=np.fft.ifftshift(tiny_scan.diffraction, axes=(1, 2))[None],
             scan=tiny_scan.positions_px[None] + 8, probe=tiny_scan.probe[None, None, None])  # fmt: skip
    return ["data=siemens", f"data.scan.scan.diffraction_path={path}", "data.scan.solver.modes=1", "data.size_px=16",
            "data.scan.bin_px=1", "data.scan.solver.iterations=5"]  # fmt: skip


def test_a_measured_scan_is_solved_once_and_trained_on(command, star, tmp_path):
    network = ("model=ptychonn", "model.width=4", "model.narrowest=4")
    train = ("split=region", *network, "recipe.epochs=1", "trainer=cpu", "pictures=false")
    code, out, err = command("train", *star, *train)
    assert code == 0, err
    (cached,) = (tmp_path / "data").iterdir()
    assert f"wrote {cached}" in out
    assert "the file does not say whether its probe is a guess or a result" in out
    scan = read_scan(cached)
    assert scan.info.origin.startswith("solved by rpie, 1 modes, 5 iterations to misfit 0.")
    assert scan.info.origin.endswith("imported from tike")
    y, x = scan.positions_px[40].round().astype(int)  # its labels are cut from the object
    np.testing.assert_allclose(scan.amplitude[40], np.abs(scan.obj[y : y + 16, x : x + 16]), rtol=1e-6)
    assert record(only_run(tmp_path))["data"]["name"] == "siemens"
    written = cached.stat().st_mtime_ns
    code, out, err = command("train", *star, *train, "seed=1")
    assert code == 0, err
    assert "wrote" not in out
    assert cached.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("noise=ppn",), "data=siemens is measured, but PPNNoise is for simulated data"),
        (("data.size_px=32",), "patterns are 16 px, but data.size_px=32"),
        (("data.scan.bin_px=3",), "a bin of 3 px does not divide patterns of 16 px"),
        (
            ("data.scan.scan.diffraction_path=absent.npz",),
            r"no file absent\.npz; check the path.* \(it comes from https",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(command, star, tmp_path, words, message):
    assert re.search(message, error_line(command("simulate", *star, *words, f"out={tmp_path}/star.h5")))


def test_the_26_id_scan_names_its_source_if_its_files_are_missing(command, tmp_path):
    err = error_line(command("train", "data=aps26id", "split=aps26id", f"data_root={tmp_path}"))
    assert "20191008_39_diff_reduced.npz" in err
    assert "PtychoNN_data" in err


def test_the_26_id_scan_is_imported_with_its_labels(command, tmp_path):
    folder = tmp_path / "aps26id"
    folder.mkdir()
    rng = np.random.default_rng(0)
    labels = np.exp(1j * rng.random((8, 9, 64, 64))).astype(np.complex64)
    np.savez(folder / "20191008_39_diff_reduced.npz", arr_0=rng.poisson(9.0, (8, 9, 64, 64)).astype(float))
    np.save(folder / "20191008_39_amp_pha_10nm_full.npy", labels)
    code, _, err = command("simulate", "data=aps26id", f"data_root={tmp_path}", f"out={tmp_path}/aps.h5")
    assert code == 0, err
    scan = read_scan(tmp_path / "aps.h5")
    assert len(scan) == 72 and scan.info.pixel_size_m == pytest.approx(10e-9)
    np.testing.assert_array_equal(scan.positions_px[10], [3, 3])
    np.testing.assert_array_equal(scan.scan_index[10], [1, 1])
    np.testing.assert_allclose(scan.phase[10], np.angle(labels[1, 1]), rtol=1e-6)


def test_the_simulated_26_id_scan_has_the_noise_and_the_mask_of_its_detector(command, tmp_path):
    words = ("data=aps26id_sim", "data.obj.size_px=100", f"out={tmp_path}/sim.h5")
    code, _, err = command("simulate", *words)
    assert code == 0, err
    scan = read_scan(tmp_path / "sim.h5")
    assert scan.diffraction.dtype == np.uint16
    assert scan.mask.sum() == 8
    assert scan.diffraction.max() <= 4095
    code, _, err = command("simulate", *words, "noise=none", "overwrite=true")
    assert code == 0, err
    assert not read_scan(tmp_path / "sim.h5").mask.any()
