"""The HDF5 file: exact round trip, readable with plain h5py, refused with a reason if it is damaged."""

import dataclasses
import os
import pickle

import h5py
import numpy as np
import pytest

from ptycho_bench.data.check import UNITS
from ptycho_bench.data.content import to_attribute
from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import StoredFrames, stream_array
from ptycho_bench.data.store import expected_bytes, open_scan, read_scan, stream_scan, write_scan

ARRAYS = [field for field in UNITS if field != "object"] + ["obj"]
LABELS = ("amplitude", "phase", "positions_px", "scan_index")


@pytest.fixture
def path(tmp_path, tiny_scan):
    write_scan(tmp_path / "scan.h5", tiny_scan)
    return tmp_path / "scan.h5"


def replace_array(path, name, array):
    with h5py.File(path, "a") as handle:
        del handle[name]
        handle[name] = array


def test_a_scan_is_read_as_it_was_written(path, tiny_scan):
    back = read_scan(path)
    for name in ARRAYS:
        written, read = getattr(tiny_scan, name), getattr(back, name)
        assert read.dtype == written.dtype
        np.testing.assert_array_equal(read, written)
    assert back.info == tiny_scan.info


def test_unknown_values_are_read_as_none(tmp_path, tiny_scan):
    info = dataclasses.replace(tiny_scan.info, photons=None, overlap_ratio=None, step_px=None, seed=None)
    written = write_scan(tmp_path / "scan.h5", dataclasses.replace(tiny_scan, info=info, obj=None, mask=None))
    back = read_scan(tmp_path / "scan.h5")
    assert back.info == info
    assert back.obj is None
    assert back.mask is None
    assert back.content_hash == written


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "float32"])
def test_counts_keep_their_type(tmp_path, tiny_scan, dtype):
    write_scan(tmp_path / "scan.h5", dataclasses.replace(tiny_scan, diffraction=tiny_scan.diffraction.astype(dtype)))
    assert read_scan(tmp_path / "scan.h5").diffraction.dtype == dtype


def test_attributes_may_be_numpy_numbers(tmp_path, tiny_scan):
    info = dataclasses.replace(tiny_scan.info, photons=np.float64(1e4), seed=np.int64(3))
    write_scan(tmp_path / "scan.h5", dataclasses.replace(tiny_scan, info=info))
    assert read_scan(tmp_path / "scan.h5").info == info


def test_plain_h5py_reads_the_file_and_its_units(path):
    with h5py.File(path) as handle:
        assert {name: handle[name].attrs["unit"] for name in handle} == UNITS
        assert {handle[name].chunks for name in ("diffraction", "amplitude", "phase")} == {(1, 16, 16)}
        assert handle["positions_px"].dtype == np.float64
        assert handle["amplitude"].dtype == handle["phase"].dtype == np.float32
        assert handle["probe"].dtype == handle["object"].dtype == np.complex64
        assert handle.attrs["photons"] == 1e4
        assert len(handle.attrs["content_hash"]) == 64


def test_the_hash_identifies_the_content_not_its_history(tmp_path, tiny_scan):
    def hash_of(**changes):
        return write_scan(tmp_path / "scan.h5", dataclasses.replace(tiny_scan, **changes))

    first = hash_of()
    assert hash_of(info=dataclasses.replace(tiny_scan.info, origin="imported", simulation_hash="abc")) == first
    assert hash_of(info=dataclasses.replace(tiny_scan.info, photons=2e4)) != first
    assert hash_of(phase=tiny_scan.phase + np.float32(1e-3)) != first


def test_a_missing_file_is_named_with_a_way_to_make_it(tmp_path):
    with pytest.raises(DataError, match=r"no file .*absent\.h5; make one with ptycho-simulate"):
        read_scan(tmp_path / "absent.h5")


@pytest.mark.parametrize("kept", [0, 7, 600, 5000, -1])
def test_a_truncated_file_is_refused(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"scan\.h5 cannot be read as HDF5.*truncated"):
        read_scan(path)


def test_a_file_of_another_kind_is_refused(path):
    path.write_text("row,column\n0,0\n" * 1000)
    with pytest.raises(DataError, match=r"cannot be read as HDF5.*another kind"):
        read_scan(path)


def test_an_hdf5_file_of_another_program_is_refused_with_its_contents(path):
    with h5py.File(path, "w") as handle:
        handle["dp"] = np.zeros(3)
    with pytest.raises(
        DataError,
        match=r"is not a ptycho_bench data set.*it contains dp; read files of other programs with ptycho-import",
    ):
        read_scan(path)


def test_another_format_version_is_refused(path):
    with h5py.File(path, "a") as handle:
        handle.attrs["format_version"] = 99
    with pytest.raises(DataError, match="format version 99, this release reads 2; regenerate it"):
        read_scan(path)


def test_missing_data_sets_are_named(path):
    with h5py.File(path, "a") as handle:
        del handle["positions_px"], handle["scan_index"]
    with pytest.raises(DataError, match=r"has no positions_px, scan_index; it contains amplitude, diffraction"):
        read_scan(path)


def test_amplitude_without_phase_is_refused(path):
    with h5py.File(path, "a") as handle:
        del handle["phase"]
    with pytest.raises(DataError, match="has no phase; amplitude and phase belong together"):
        read_scan(path)


def test_a_scan_that_has_not_been_solved_has_neither_labels_nor_probe(tmp_path, tiny_scan):
    bare = dataclasses.replace(tiny_scan, amplitude=None, phase=None, probe=None, obj=None)
    write_scan(tmp_path / "bare.h5", bare)
    back = read_scan(tmp_path / "bare.h5")
    np.testing.assert_array_equal(back.diffraction, tiny_scan.diffraction)
    with pytest.raises(DataError, match=r"neither amplitude nor phase.*ptycho-reconstruct"):
        back.tensors(np.arange(3))
    with pytest.raises(DataError, match=r"no probe.*ptycho-reconstruct"):
        back.measurement()


def test_a_stream_is_written_like_the_same_array(tmp_path, tiny_scan, monkeypatch):
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", 7 * tiny_scan.diffraction[0].nbytes)
    names, seen = ("diffraction", "amplitude", "phase"), []
    streams = {name: stream_array(getattr(tiny_scan, name)) for name in names}
    streamed = write_scan(tmp_path / "a.h5", dataclasses.replace(tiny_scan, **streams), on_frames=seen.append)
    assert streamed == write_scan(tmp_path / "b.h5", tiny_scan)
    assert seen == [*range(7, 121, 7), 121]
    np.testing.assert_array_equal(read_scan(tmp_path / "a.h5").diffraction, tiny_scan.diffraction)


def test_a_stream_that_ends_early_is_refused_and_leaves_no_file(tmp_path, tiny_scan):
    short = dataclasses.replace(stream_array(tiny_scan.diffraction), blocks=lambda: iter([tiny_scan.diffraction[:5]]))
    with pytest.raises(DataError, match="diffraction ended after 5 of 121 frames"):
        write_scan(tmp_path / "a.h5", dataclasses.replace(tiny_scan, diffraction=short))
    assert not os.listdir(tmp_path)


def test_an_opened_scan_reads_its_patterns_on_request(path, tiny_scan):
    scan, points = open_scan(path), np.array([7, 3, 120])
    np.testing.assert_array_equal(scan.diffraction[points], tiny_scan.diffraction[points])
    np.testing.assert_array_equal(np.concatenate(list(scan.diffraction.blocks())), tiny_scan.diffraction)
    for one, other in zip(scan.tensors(points), tiny_scan.tensors(points), strict=True):
        assert one.equal(other)
    again = pickle.loads(pickle.dumps(scan.diffraction))
    np.testing.assert_array_equal(again[2:5], tiny_scan.diffraction[2:5])


def test_a_streamed_scan_has_the_hash_of_its_content_and_its_frames_stay_in_the_file(path, tiny_scan):
    scan = stream_scan(path)
    assert scan.content_hash == read_scan(path).content_hash
    assert all(isinstance(array, StoredFrames) for array in (scan.diffraction, scan.amplitude, scan.phase))
    del scan  # closes the file
    with h5py.File(path, "a") as handle:
        handle.attrs["content_hash"] = np.bytes_(b"another")
    with pytest.raises(DataError, match="has changed since it was written"):
        stream_scan(path)


def test_a_group_in_place_of_a_data_set_is_refused(path):
    with h5py.File(path, "a") as handle:
        del handle["phase"]
        handle.create_group("phase")
    with pytest.raises(DataError, match=r"phase|cannot be read"):
        read_scan(path)


def test_a_changed_value_is_noticed(path):
    with h5py.File(path, "a") as handle:
        handle["phase"][5, 3, 3] += 1e-3
    with pytest.raises(DataError, match=r"has changed since it was written.*delete and regenerate it"):
        read_scan(path)


def test_a_changed_attribute_is_noticed(path):
    with h5py.File(path, "a") as handle:
        handle.attrs["photons"] = 5.0
    with pytest.raises(DataError, match="has changed since it was written"):
        read_scan(path)


def test_texts_have_a_fixed_length(path):
    """HDF5 may loop forever on a text of variable length in a damaged file."""
    with h5py.File(path) as handle:
        kinds = {name: handle.attrs.get_id(name).dtype.kind for name in ("origin", "noise", "content_hash")}
    assert set(kinds.values()) == {"S"}


def test_a_damaged_byte_of_the_header_raises_no_other_error(tmp_path, tiny_scan):
    path, arrays = tmp_path / "small.h5", {name: getattr(tiny_scan, name) for name in ("diffraction", *LABELS)}
    write_scan(path, dataclasses.replace(tiny_scan, obj=None, **{name: array[:2] for name, array in arrays.items()}))
    whole = path.read_bytes()
    for place in range(0, 2500, 8):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_scan(path)
        except DataError:
            continue


def with_value(value, name="diffraction"):
    def change(scan):
        array = getattr(scan, name).copy()
        array[(0,) * array.ndim] = value
        return {name: array}

    return change


BROKEN = {
    "no points": (lambda s: {"diffraction": s.diffraction[:0]}, r"diffraction has shape \(0, 16, 16\)"),
    "flat patterns": (lambda s: {"diffraction": s.diffraction[0]}, r"diffraction has shape \(16, 16\)"),
    "oblong patterns": (lambda s: {"diffraction": s.diffraction[..., :12]}, "16 x 12 px; crop"),
    "missing labels": (lambda s: {"phase": s.phase[1:]}, r"phase has shape \(120, 16, 16\)"),
    "positions in 3-D": (lambda s: {"positions_px": np.zeros((121, 3))}, r"positions_px has shape \(121, 3\)"),
    "missing index": (lambda s: {"scan_index": s.scan_index[1:]}, r"scan_index has shape \(120, 2\)"),
    "real probe": (lambda s: {"probe": s.probe.real}, r"probe is float32 .*it must be complex \(modes, 16, 16\)"),
    "probe without modes": (lambda s: {"probe": s.probe[0]}, r"probe is complex64 \(16, 16\)"),
    "small probe": (lambda s: {"probe": s.probe[:, :8, :8]}, r"probe is complex64 \(1, 8, 8\)"),
    "wrong mask": (lambda s: {"mask": np.zeros((8, 8), np.uint8)}, r"mask has shape \(8, 8\)"),
    "NaN pattern": (with_value(np.nan), "diffraction contains 1 NaN"),
    "infinite phase": (with_value(np.inf, "phase"), "phase contains 1 NaN or infinite"),
    "NaN position": (with_value(np.nan, "positions_px"), "positions_px contains 1 NaN"),
    "NaN probe": (with_value(np.nan, "probe"), "probe contains 1 NaN"),
    "NaN object": (with_value(np.nan, "obj"), "object contains 1 NaN"),
    "negative intensity": (with_value(-2.0), r"diffraction reaches -2; it must be >= 0"),
    "negative amplitude": (with_value(-2.0, "amplitude"), r"amplitude reaches -2; it must be >= 0"),
    "dark patterns": (lambda s: {"diffraction": 0 * s.diffraction}, "every diffraction pattern is zero"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_scan_is_neither_written_nor_read(path, tiny_scan, change, message):
    changed = change(tiny_scan)
    with pytest.raises(DataError, match=message):
        write_scan(path.parent / "new.h5", dataclasses.replace(tiny_scan, **changed))
    assert os.listdir(path.parent) == ["scan.h5"]
    for name, array in changed.items():
        replace_array(path, "object" if name == "obj" else name, array)
    for read in (read_scan, stream_scan):
        with pytest.raises(DataError, match=message):
            read(path)


def no_space(*_, **__):
    raise OSError(28, "No space left on device")


def full_after_two_arrays(monkeypatch):
    create, written = h5py.Group.create_dataset, []

    def create_dataset(self, name, *args, **kwargs):
        written.append(name)
        return no_space() if len(written) > 2 else create(self, name, *args, **kwargs)

    monkeypatch.setattr(h5py.Group, "create_dataset", create_dataset)


@pytest.mark.parametrize(
    "fail", [full_after_two_arrays, lambda monkeypatch: monkeypatch.setattr(os, "replace", no_space)]
)
def test_a_full_disk_leaves_no_file_behind(monkeypatch, tmp_path, tiny_scan, fail):
    fail(monkeypatch)
    with pytest.raises(OSError, match=r"cannot write .*scan\.h5: .*No space left on device; free some space"):
        write_scan(tmp_path / "scan.h5", tiny_scan)
    assert not os.listdir(tmp_path)


def test_a_full_disk_keeps_the_existing_file(monkeypatch, path, tiny_scan):
    before = path.read_bytes()
    full_after_two_arrays(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        write_scan(path, tiny_scan)
    assert os.listdir(path.parent) == ["scan.h5"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("read", [read_scan, stream_scan])
def test_a_file_without_a_content_hash_is_refused(path, read):
    with h5py.File(path, "a") as handle:
        del handle.attrs["content_hash"]
    with pytest.raises(DataError, match=r"scan\.h5 has no content hash, so it cannot be checked; regenerate it"):
        read(path)


@pytest.mark.parametrize(("name", "value"), [("held_out", np.True_), ("origin", np.bytes_(b"imported"))])
def test_a_changed_attribute_that_does_not_identify_the_data_is_noticed_too(path, name, value):
    with h5py.File(path, "a") as handle:
        handle.attrs[name] = value
    with pytest.raises(DataError, match=r"has changed since it was written .its description differs"):
        open_scan(path)


def test_a_file_from_before_the_hash_of_the_description_is_read(path, tiny_scan):
    with h5py.File(path, "a") as handle:
        del handle.attrs["history_hash"]
    assert read_scan(path).info == tiny_scan.info


IMPOSSIBLE = {
    "pixel_size_m": (-1.0, r"attribute pixel_size_m must lie in \(0, 1000\], got -1"),
    "photons": (1e30, "attribute photons must lie in"),
    "overlap_ratio": (7.0, "attribute overlap_ratio must lie in"),
    "energy_ev": (float("nan"), "attribute energy_ev must be a finite number"),
    "distance_m": (float("inf"), "attribute distance_m must be a finite number"),
    "jitter_px": (1.5, "attribute jitter_px is 1.5, which is of another type"),
    "seed": (True, "attribute seed is True, which is of another type"),
    "step_px": ("8", "attribute step_px is '8', which is of another type"),
    "held_out": (1, "attribute held_out is 1, which is of another type"),
    "noise": ('{"efficiency": 3}', r"efficiency in attribute noise must be a number in \[0, 1\]"),
    "origin": ("two\nlines", "attribute origin must be a printable text"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_description_is_neither_written_nor_read(path, tiny_scan, name):
    value, message = IMPOSSIBLE[name]
    info = dataclasses.replace(tiny_scan.info, **{name: value})
    with pytest.raises(DataError, match=message):
        write_scan(path.parent / "new.h5", dataclasses.replace(tiny_scan, info=info))
    with h5py.File(path, "a") as handle:
        handle.attrs[name] = to_attribute(value)
    with pytest.raises(DataError, match=message):
        open_scan(path)


@pytest.mark.parametrize("value", ["a text of variable length", np.arange(3.0)])
def test_an_attribute_of_another_form_is_refused_unread(path, value):
    with h5py.File(path, "a") as handle:
        handle.attrs["photons"] = value
    with pytest.raises(DataError, match="attribute photons is not one value of fixed length"):
        read_scan(path)


def in_a_raw_file(handle, name, array):
    array.tofile(f"{handle.filename}.raw")
    handle.create_dataset(name, array.shape, array.dtype, external=[(f"{handle.filename}.raw", 0, array.nbytes)])


def behind_a_link(handle, name, array):
    with h5py.File(f"{handle.filename}.part", "w") as part:
        part[name] = array
    handle[name] = h5py.ExternalLink(f"{handle.filename}.part", name)


def in_a_virtual_set(handle, name, array):
    with h5py.File(f"{handle.filename}.part", "w") as part:
        part[name] = array
    layout = h5py.VirtualLayout(array.shape, array.dtype)
    layout[:] = h5py.VirtualSource(f"{handle.filename}.part", name, array.shape)
    handle.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("name", ["diffraction", "probe"])
@pytest.mark.parametrize(
    ("store", "message"),
    [
        (in_a_raw_file, "is stored in the raw file .* which is never read"),
        (behind_a_link, "is a link to another file, .* which is not followed"),
        (in_a_virtual_set, "is a virtual data set of other files"),
        (lambda handle, name, array: handle.create_dataset(name, array.shape, array.dtype), "compressed or incomplete"),
        (lambda handle, name, array: handle.create_dataset(name, data=0 * array, compression=9), "h5repack -f NONE"),
        (lambda handle, name, array: handle.create_dataset(name, (10**7, 512, 512), "f4", chunks=(1, 512, 512)),
         "claims 9766 GiB, but only 0 bytes of it are in the file"),
    ],
)  # fmt: skip
def test_values_that_are_not_in_the_file_itself_are_not_read(path, tiny_scan, name, store, message):
    with h5py.File(path, "a") as handle:
        del handle[name]
        store(handle, name, getattr(tiny_scan, name))
    for read in (open_scan, read_scan):
        with pytest.raises(DataError, match=message):
            read(path)


def test_positions_are_within_the_object(path, tiny_scan):
    for shift, message in ((-20, "positions reach -20"), (1e300, "positions reach 1e.300"), (60, "the object ends at")):
        with pytest.raises(DataError, match=message):
            write_scan(path, dataclasses.replace(tiny_scan, positions_px=tiny_scan.positions_px + shift))


def test_an_index_that_is_not_an_integer_is_refused(tmp_path, tiny_scan):
    scan = dataclasses.replace(tiny_scan, scan_index=tiny_scan.scan_index.astype(float))
    with pytest.raises(DataError, match="scan_index is float64, it must be integer or unsigned integer"):
        write_scan(tmp_path / "x.h5", scan)


def test_a_disk_that_is_too_small_is_reported_before_hdf5_writes(tmp_path, tiny_scan, monkeypatch):
    def full(descriptor, start, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"cannot write .*x.h5: No space left on device, \d+ MB are needed; free"):
        write_scan(tmp_path / "x.h5", tiny_scan)
    assert not list(tmp_path.iterdir())


def test_the_expected_size_bounds_the_real_one(tmp_path, tiny_scan):
    write_scan(tmp_path / "x.h5", tiny_scan)
    assert (tmp_path / "x.h5").stat().st_size <= expected_bytes(tiny_scan)
