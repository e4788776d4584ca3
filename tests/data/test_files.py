"""Objects and probes from TIFF, NPY and HDF5 files; an error names the file that cannot be used."""

import h5py
import numpy as np
import pytest
import tifffile
import torch

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.files import load_array, object_from_amplitude_phase, object_from_complex, probe_from_file

SOURCE = "https://example.org/object"


def write(path, array):
    if path.suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as handle:
            handle["image"] = array
    else:
        tifffile.imwrite(path, array)
    return str(path)


def load_object(amplitude_path, phase_path, scaling="none"):
    key = "image" if amplitude_path.endswith(".h5") else None
    return object_from_amplitude_phase(
        amplitude_path=amplitude_path,
        phase_path=phase_path,
        amplitude_key=key,
        phase_key=key,
        scaling=scaling,
        source=SOURCE,
    )


@pytest.mark.parametrize("suffix", [".tiff", ".tif", ".npy", ".h5"])
def test_an_object_comes_from_two_images(tmp_path, suffix):
    amplitude, phase = np.random.default_rng(0).random((2, 6, 7)).astype(np.float32)
    obj = load_object(write(tmp_path / f"amp{suffix}", amplitude), write(tmp_path / f"phase{suffix}", phase[None]))
    assert obj.dtype == torch.complex64
    np.testing.assert_allclose(obj, amplitude * np.exp(1j * phase), rtol=1e-5)


def test_integer_images_are_scaled_as_requested(tmp_path):
    amplitude, phase = np.array([[0, 200], [100, 50]], np.uint8), np.zeros((2, 2), np.float32)
    obj = load_object(write(tmp_path / "a.tif", amplitude), write(tmp_path / "p.tif", phase), scaling="published")
    np.testing.assert_allclose(obj.abs(), [[0.5, 1.0], [0.75, 0.625]], rtol=1e-5)
    np.testing.assert_allclose(obj.angle(), np.full((2, 2), -np.pi / 6), rtol=1e-5)


def test_an_object_comes_from_one_complex_array(tmp_path):
    array = np.array([[1 + 1j, 2j], [-1, 3]])
    path = write(tmp_path / "obj.npy", array)
    np.testing.assert_allclose(
        object_from_complex(object_path=path, object_key=None, scaling="none", source=""), array, rtol=1e-5, atol=1e-6
    )
    with pytest.raises(DataError, match=r"obj\.npy contains float64 of shape \(2, 2\); a complex 2-D"):
        path = write(tmp_path / "obj.npy", array.real)
        object_from_complex(object_path=path, object_key=None, scaling="none", source="")


@pytest.mark.parametrize("suffix", [".npy", ".h5"])
def test_a_probe_is_averaged_over_blocks(tmp_path, suffix):
    array = np.arange(64).reshape(8, 8) * (1 + 2j)
    path, key = write(tmp_path / f"probe{suffix}", array), "image" if suffix == ".h5" else None
    probe = probe_from_file(probe_path=path, probe_key=key, block=4, source="")
    assert probe.dtype == torch.complex64
    np.testing.assert_allclose(probe, array.reshape(2, 4, 2, 4).mean((1, 3)), rtol=1e-6)


def test_a_missing_file_is_named_with_its_source(tmp_path):
    with pytest.raises(DataError, match=rf"no file .*absent\.tiff; it is available from {SOURCE}; set data_root"):
        load_object(str(tmp_path / "absent.tiff"), str(tmp_path / "absent.tiff"))


@pytest.mark.parametrize(
    ("amplitude", "phase", "message"),
    [
        (np.ones((4, 4, 3)), np.ones((4, 4)), r"amp\.npy contains float64 of shape \(4, 4, 3\); a real 2-D"),
        (np.ones((4, 4)), np.ones((4, 4)) * 1j, r"phase\.npy contains complex128"),
        (np.ones((4, 4)), np.ones((4, 5)), r"amp\.npy is \(4, 4\) px, but .*phase\.npy is \(4, 5\) px; crop"),
        (np.ones((4, 4)), np.full((4, 4), np.nan), r"phase\.npy contains NaN"),
        (np.full((4, 4), np.inf), np.ones((4, 4)), r"amp\.npy contains NaN or infinite"),
        (np.array([["a", "b"]]), np.ones((1, 2)), r"amp\.npy"),
        (np.ones((0, 4)), np.ones((0, 4)), r"amp\.npy"),
    ],
)
def test_unusable_images_are_refused(tmp_path, amplitude, phase, message):
    with pytest.raises(DataError, match=message):
        load_object(write(tmp_path / "amp.npy", amplitude), write(tmp_path / "phase.npy", phase))


@pytest.mark.parametrize("array", [np.ones((8, 8)), np.ones(8) * 1j])
def test_a_probe_that_is_not_complex_or_not_an_image_is_refused(tmp_path, array):
    with pytest.raises(DataError, match=rf"{array.dtype} of shape .*; a complex \(H, W\) probe is needed"):
        probe_from_file(probe_path=write(tmp_path / "probe.npy", array), probe_key=None, block=1, source="")


def test_an_array_that_would_need_unpickling_is_refused(tmp_path):
    path = write(tmp_path / "trap.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match=r"trap\.npy cannot be read as \.npy: .*Python objects"):
        load_array(path)


@pytest.mark.parametrize("name", ["cut.tiff", "cut.npy", "cut.h5"])
def test_a_truncated_file_is_refused(tmp_path, name):
    write(tmp_path / name, np.ones((16, 16)))
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:100])
    with pytest.raises(DataError, match=rf"{name} cannot be read .*check whether it is complete"):
        load_array(str(tmp_path / name), key="image")


@pytest.mark.parametrize("key", [None, "picture"])
def test_a_wrong_key_is_refused_with_the_keys_that_exist(tmp_path, key):
    path = write(tmp_path / "a.h5", np.ones((4, 4)))
    with pytest.raises(DataError, match=rf"no data set {key!r}; it has image; set the key"):
        load_array(path, key=key)


def test_an_unknown_file_type_is_refused(tmp_path):
    (tmp_path / "obj.mat").write_bytes(b"MATLAB")
    with pytest.raises(DataError, match=r"the file type '\.mat' is unknown; use \.tif, \.npy or \.h5"):
        load_array(str(tmp_path / "obj.mat"))


def test_the_size_that_a_tiff_file_claims_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("ptycho_bench.data.storage.FREE_BYTES", 2**10)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3000, 3000)), compression="zlib", compressionargs={"level": 9})
    with pytest.raises(DataError, match=r"a\.tif claims .* GiB, but only [\d,]+ bytes of it are in the file"):
        monkeypatch.setattr("ptycho_bench.data.storage.MOST_COMPRESSION", 100)
        load_array(str(tmp_path / "a.tif"))


def test_an_archive_under_the_name_of_an_array_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", np.arange(3))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"a\.npy cannot be read as \.npy: the magic string is not correct"):
        load_array(str(tmp_path / "a.npy"))


def test_an_image_in_another_file_is_not_read(tmp_path):
    np.ones((4, 4)).tofile(tmp_path / "secret.raw")
    with h5py.File(tmp_path / "a.h5", "w") as handle:
        handle.create_dataset("raw", (4, 4), "f8", external=[(str(tmp_path / "secret.raw"), 0, 128)])
        handle["linked"] = h5py.ExternalLink("b.h5", "image")
        handle["soft"] = h5py.SoftLink("/linked")
    write(tmp_path / "b.h5", np.ones((4, 4)))
    for key, message in (("raw", "stored in the raw file"), ("linked", "not followed"), ("soft", "not followed")):
        with pytest.raises(DataError, match=message):
            load_array(str(tmp_path / "a.h5"), key=key)
