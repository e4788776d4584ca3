"""Members of .npz files: decompressed block by block, in any layout, never unpickled."""

import bz2
import tracemalloc
import zipfile

import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.npz import npy_frames, npz_frames, npz_names, open_npy, open_npz
from tests.formats.samples import COUNTS, complex_array, whole


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_member_can_be_read_several_times(tmp_path, save):
    save(tmp_path / "scan.npz", data=COUNTS, other=np.arange(3))
    frames, raster = npz_frames(tmp_path / "scan.npz", "data")
    assert raster is None
    np.testing.assert_array_equal(whole(frames), COUNTS)
    np.testing.assert_array_equal(whole(frames), COUNTS)
    assert npz_names(tmp_path / "scan.npz") == {"data", "other"}


def test_bz2_is_decompressed(tmp_path):
    np.savez(tmp_path / "scan.npz", data=COUNTS)
    packed = tmp_path / "packed.npz.bz2"
    packed.write_bytes(bz2.compress((tmp_path / "scan.npz").read_bytes()))
    np.testing.assert_array_equal(whole(npz_frames(packed, "data")[0]), COUNTS)
    assert npz_names(packed) == {"data"}


@pytest.mark.parametrize(
    ("stored", "raster"),
    [(COUNTS.reshape(2, 3, 8, 8), (2, 3)), (COUNTS[None], None), (COUNTS[..., None], None)],
    ids=["raster", "leading axis", "channel"],
)
def test_every_layout_gives_the_same_frames(tmp_path, stored, raster):
    for order in "CF":
        np.savez_compressed(tmp_path / "scan.npz", data=np.asarray(stored, order=order))
        np.save(tmp_path / "scan.npy", np.asarray(stored, order=order))
        for frames, found in (npz_frames(tmp_path / "scan.npz", "data"), npy_frames(tmp_path / "scan.npy")):
            assert found == raster
            np.testing.assert_array_equal(whole(frames), COUNTS)


def test_frames_may_come_last(tmp_path):
    np.savez_compressed(tmp_path / "scan.npz", data=np.moveaxis(COUNTS, 0, -1))
    np.testing.assert_array_equal(whole(npz_frames(tmp_path / "scan.npz", "data", frames_first=False)[0]), COUNTS)


def test_whole_arrays_and_numbers_are_read(tmp_path):
    np.savez(tmp_path / "scan.npz", probe=np.asfortranarray(complex_array(3, 4)), energy=8.8, empty=np.zeros(0))
    with open_npz(tmp_path / "scan.npz") as archive:
        np.testing.assert_array_equal(archive.array("probe"), complex_array(3, 4))
        assert archive.array("empty").shape == (0,)
        assert archive.number("energy") == 8.8
        assert archive.number("absent") is None


def test_only_one_block_is_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", 2**20)
    np.savez_compressed(tmp_path / "large.npz", data=np.zeros((1024, 128, 128), np.uint16))  # 32 MiB
    frames, _ = npz_frames(tmp_path / "large.npz", "data")
    tracemalloc.start()
    count = sum(len(block) for block in frames.blocks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1024
    assert peak < 4 * 2**20


def test_blocks_are_writable_copies(tmp_path):
    np.savez(tmp_path / "scan.npz", data=COUNTS)
    np.save(tmp_path / "scan.npy", COUNTS)
    for frames, _ in (npz_frames(tmp_path / "scan.npz", "data"), npy_frames(tmp_path / "scan.npy")):
        next(iter(frames.blocks()))[:] = 0
    np.testing.assert_array_equal(np.load(tmp_path / "scan.npy"), COUNTS)


def test_python_objects_are_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").touch, ()

    np.savez(tmp_path / "trap.npz", data=np.array([Trap()], dtype=object))
    np.save(tmp_path / "trap.npy", np.array([Trap()], dtype=object))
    with open_npz(tmp_path / "trap.npz") as archive, pytest.raises(DataError, match="never unpickled"):
        archive.array("data")
    with pytest.raises(DataError, match="never unpickled"):
        npz_frames(tmp_path / "trap.npz", "data")
    with pytest.raises(DataError, match="never unpickled"):
        open_npy(tmp_path / "trap.npy")
    assert not (tmp_path / "sprung").exists()


def test_the_error_for_a_missing_member_names_the_nearest(tmp_path):
    np.savez(tmp_path / "scan.npz", diffraction=COUNTS)
    with pytest.raises(DataError, match="nearest: diffraction"):
        npz_frames(tmp_path / "scan.npz", "difraction")


@pytest.mark.parametrize("name", ["scan.npz", "scan.npz.bz2", "scan.npy"])
def test_a_truncated_file_is_refused(tmp_path, name):
    np.savez(tmp_path / "whole.npz", data=COUNTS)
    content = (tmp_path / "whole.npz").read_bytes()
    if name == "scan.npy":
        np.save(tmp_path / "whole.npy", COUNTS)
        content = (tmp_path / "whole.npy").read_bytes()
    content = bz2.compress(content) if name.endswith("bz2") else content
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="truncated or damaged") as error:
        whole((npy_frames(tmp_path / name) if name == "scan.npy" else npz_frames(tmp_path / name, "data"))[0])
    assert "\n" not in str(error.value)
    assert npz_names(tmp_path / name) == set()


def test_a_flipped_byte_is_detected(tmp_path):
    np.savez(tmp_path / "scan.npz", data=COUNTS)
    content = bytearray((tmp_path / "scan.npz").read_bytes())
    content[400] ^= 0xFF
    (tmp_path / "scan.npz").write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        whole(npz_frames(tmp_path / "scan.npz", "data")[0])


def test_a_member_shorter_than_its_header_states_is_refused(tmp_path):
    import io
    import zipfile

    member = io.BytesIO()
    np.save(member, COUNTS)
    with zipfile.ZipFile(tmp_path / "scan.npz", "w") as archive:
        archive.writestr("data.npy", member.getvalue()[:-10])
    with pytest.raises(DataError, match="ends after 758 of 768 bytes"):
        whole(npz_frames(tmp_path / "scan.npz", "data")[0])


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "scan.npz").touch()
    with pytest.raises(DataError, match="0 bytes"):
        npz_frames(tmp_path / "scan.npz", "data")


def test_complex_frames_are_accepted_only_on_request(tmp_path):
    np.savez(tmp_path / "scan.npz", Y=complex_array(2, 4, 4))
    np.testing.assert_array_equal(
        whole(npz_frames(tmp_path / "scan.npz", "Y", allow_complex=True)[0]), complex_array(2, 4, 4)
    )
    with pytest.raises(DataError, match="real numbers"):
        npz_frames(tmp_path / "scan.npz", "Y")


def claiming(path, shape, content=b"x" * 100):
    """Write a .npz file whose member has a header of this shape."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("data.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"shape": shape, "fortran_order": False, "descr": "<f4"})
        member.write(content)
    return path


def test_the_size_that_a_member_claims_is_bounded(tmp_path):
    bomb, short = claiming(tmp_path / "bomb.npz", (10**6, 512, 512)), claiming(tmp_path / "short.npz", (10, 8, 8))
    for path, message in ((bomb, "claims 976.6 GiB, but only"), (short, r"ends after \d+ of 2560 bytes")):
        with pytest.raises(DataError, match=message):
            npz_frames(path, "data")
        with open_npz(path) as archive, pytest.raises(DataError, match=message):
            archive.array("data")


def test_an_array_that_is_read_at_once_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("ptycho_bench.formats.containers.npz.MOST_BYTES", 100)
    np.savez(tmp_path / "scan.npz", data=COUNTS)
    with open_npz(tmp_path / "scan.npz") as archive, pytest.raises(DataError, match="GiB are read at once"):
        archive.array("data")


def test_a_bz2_file_is_decompressed_up_to_a_bound(tmp_path, monkeypatch):
    for name, value in (("FREE_BYTES", 2**20), ("MOST_COMPRESSION", 10)):
        monkeypatch.setattr(f"ptycho_bench.formats.containers.npz.{name}", value)
    (tmp_path / "bomb.npz.bz2").write_bytes(bz2.compress(bytes(2**22)))
    with (
        pytest.raises(DataError, match="decompress it with bunzip2 first"),
        open_npz(tmp_path / "bomb.npz.bz2"),
    ):
        pass
