"""ptychodus' product and diffraction, and PtychoViT's pairs; indices are passed on unchanged and joined later."""

import h5py
import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from tests.formats.samples import COUNTS, complex_array, reader, whole

Y, X = np.linspace(-2e-6, 2e-6, 6), np.linspace(0, 1e-6, 6)
INDEX = np.array([0, 1, 2, 2, 7, 5])  # one is repeated, one has no frame


def write_product(path, *, obj=None, index=INDEX, **attrs):
    with h5py.File(path, "w") as handle:
        handle.attrs.update({"probe_energy_eV": 8800.0, "detector_object_distance_m": 2.2, "name": "scan", **attrs})
        stored = handle.create_dataset("object", data=complex_array(1, 30, 40) if obj is None else obj)
        stored.attrs.update(pixel_height_m=8e-9, pixel_width_m=8e-9, center_y_m=1e-7, center_x_m=2e-7)
        probe = handle.create_dataset("probe", data=complex_array(2, 3, 8, 8))
        probe.attrs.update(pixel_height_m=0.0, pixel_width_m=0.0)
        handle["probe_position_y_m"], handle["probe_position_x_m"] = Y, X
        if index is not None:
            handle["probe_position_indexes"] = index
        handle["opr_weights"] = np.ones((6, 2))
    return str(path)


def write_npz_product(path):
    np.savez(
        path, name="scan", probe_energy_eV=8800.0, detector_object_distance_m=2.2, probe=complex_array(2, 3, 8, 8),
        probe_position_indexes=INDEX, probe_position_y_m=Y, probe_position_x_m=X, object=complex_array(1, 30, 40),
        object_pixel_height_m=8e-9, object_pixel_width_m=8e-9, object_center_y_m=1e-7, object_center_x_m=2e-7,
    )  # fmt: skip
    return str(path)


def write_patterns(path):
    bad = np.zeros((8, 8), bool)
    bad[3, 4] = True
    if path.suffix == ".npz":
        np.savez_compressed(path, patterns=COUNTS, indexes=np.arange(6) + 1, bad_pixels=bad)
        return str(path)
    with h5py.File(path, "w") as handle:
        handle["patterns"], handle["indexes"], handle["bad_pixels"] = COUNTS, np.arange(6) + 1, bad
        handle["patterns"].attrs.update(detector_pixel_height_m=75e-6, detector_pixel_width_m=75e-6)
    return str(path)


@pytest.mark.parametrize("write", [write_product, write_npz_product], ids=["h5 product", "npz product"])
@pytest.mark.parametrize("patterns", ["diffraction.h5", "diffraction.npz"])
def test_product_and_diffraction_are_read_in_either_order(tmp_path, write, patterns):
    product = write(tmp_path / ("product.h5" if write is write_product else "product.npz"))
    diffraction = write_patterns(tmp_path / patterns)
    for files in ([product, diffraction], [diffraction, product]):
        assert reader("ptychodus").recognises(files)
        raw = reader("ptychodus").read(files)
        np.testing.assert_array_equal(whole(raw.frames), COUNTS)
        np.testing.assert_array_equal(raw.positions_m, np.stack([Y, X], axis=1))
        np.testing.assert_array_equal(raw.position_index, INDEX)
        np.testing.assert_array_equal(raw.frame_index, np.arange(6) + 1)
        np.testing.assert_array_equal(raw.probe, complex_array(2, 3, 8, 8)[0])
        np.testing.assert_array_equal(raw.obj, complex_array(30, 40))
        assert (raw.obj_centre, raw.pixel_size_m) == ((1e-7, 2e-7), 8e-9)
        assert (raw.energy_ev, raw.distance_m) == (8800, 2.2)
        assert raw.detector_pixel_m == (75e-6 if patterns.endswith("h5") else None)
        assert np.argwhere(raw.mask).tolist() == [[3, 4]]
        assert raw.origin == "solved by ptychodus"
        assert any("only the first of 2 probes is kept" in note for note in raw.notes)


@pytest.mark.parametrize("named", ["scan7_dp.hdf5", "scan7_para.hdf5"])
def test_one_file_of_a_pair_finds_the_other(tmp_path, named):
    write_product(tmp_path / "scan7_para.hdf5", index=None)
    with h5py.File(tmp_path / "scan7_dp.hdf5", "w") as handle:
        handle["dp"] = COUNTS.astype(np.float32)
    files = [str(tmp_path / named)]
    assert reader("ptychodus").recognises(files)
    raw = reader("ptychodus").read(files)
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    assert raw.frame_index is None
    assert raw.position_index is None
    assert raw.quantity == "intensity"


def test_the_error_for_a_product_alone_asks_for_its_diffraction(tmp_path):
    files = [write_product(tmp_path / "product.h5")]
    assert reader("ptychodus").recognises(files)
    with pytest.raises(DataError, match=r"product.h5 is a product, and its diffraction is missing; name that file too"):
        reader("ptychodus").read(files)


def test_the_error_for_diffraction_alone_asks_for_its_product(tmp_path):
    files = [write_patterns(tmp_path / "diffraction.npz")]
    assert reader("ptychodus").recognises(files)
    with pytest.raises(DataError, match="no positions; name the product"):
        reader("ptychodus").read(files)


def test_a_constant_index_is_ignored(tmp_path):
    product = write_product(tmp_path / "product.h5", index=np.zeros(6, int))
    raw = reader("ptychodus").read([product, write_patterns(tmp_path / "d.h5")])
    assert raw.position_index is None
    assert any("probe_position_indexes is ignored" in note for note in raw.notes)


@pytest.mark.parametrize(
    ("obj", "reason"),
    [(np.full((1, 9, 9), 0.5 + 0j), "placeholder"), (complex_array(3, 9, 9), "one complex layer")],
    ids=["constant", "layers"],
)
def test_an_object_that_cannot_be_a_label_is_ignored(tmp_path, obj, reason):
    product = write_product(tmp_path / "product.h5", obj=obj)
    raw = reader("ptychodus").read([product, write_patterns(tmp_path / "d.h5")])
    assert (raw.obj, raw.obj_centre, raw.origin) == (None, None, "imported")
    assert any(reason in note for note in raw.notes)


def test_zero_means_unknown(tmp_path):
    product = write_product(tmp_path / "p.h5", probe_energy_eV=0.0, detector_object_distance_m=0.0)
    raw = reader("ptychodus").read([product, write_patterns(tmp_path / "d.h5")])
    assert (raw.energy_ev, raw.distance_m) == (None, None)


def test_a_truncated_product_is_named(tmp_path):
    product = write_product(tmp_path / "product.h5")
    (tmp_path / "product.h5").write_bytes((tmp_path / "product.h5").read_bytes()[:3000])
    with pytest.raises(DataError, match=r"product.h5 cannot be read"):
        reader("ptychodus").read([product, write_patterns(tmp_path / "d.h5")])
