"""TIFF files: many in natural order, stacks, compressed or not, with gaps of negative values."""

import numpy as np
import pytest
import tifffile

from ptycho_bench.data.errors import DataError
from tests.formats.samples import COUNTS, reader, whole


@pytest.fixture
def table(tmp_path):
    (tmp_path / "places.csv").write_text("y_um,x_um\n" + "".join(f"{i},{2 * i}\n" for i in range(6)))
    return str(tmp_path / "places.csv")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"imagej": True},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"photometric": "minisblack"},
    ],
    ids=str,
)
def test_a_stack_is_read_however_it_was_written(tmp_path, table, options, monkeypatch):
    monkeypatch.setattr("ptycho_bench.data.frames.BLOCK_BYTES", 2 * COUNTS[0].nbytes)
    tifffile.imwrite(tmp_path / "stack.tif", COUNTS, **options)
    files = [str(tmp_path / "stack.tif"), table]
    assert reader("tiff").recognises(files)
    raw = reader("tiff").read(files)
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    assert [len(block) for block in raw.frames.blocks()] == [2, 2, 2]
    np.testing.assert_allclose(raw.positions_m, np.stack([np.arange(6), 2 * np.arange(6)], axis=1) * 1e-6)


def test_many_files_are_read_in_natural_order_by_name_or_by_a_pattern(tmp_path):
    for number in range(12):
        tifffile.imwrite(tmp_path / f"frame_{number}.tif", np.full((4, 4), number, np.uint16))
    by_name = [str(tmp_path / f"frame_{number}.tif") for number in reversed(range(12))]
    for files in (by_name, [str(tmp_path / "frame_*.tif")]):
        raw = reader("tiff").read(files)
        assert whole(raw.frames)[:, 0, 0].tolist() == list(range(12))
        assert raw.positions_m is None


def test_gaps_of_minus_one_are_kept_for_the_mask(tmp_path):
    stored = COUNTS.astype(np.int32)
    stored[:, 3] = -1
    tifffile.imwrite(tmp_path / "stack.tif", stored)
    frames = whole(reader("tiff").read([str(tmp_path / "stack.tif")]).frames)
    assert frames.dtype == np.int32
    assert (frames[:, 3] == -1).all()


def test_frames_of_different_size_are_refused(tmp_path):
    for number, side in enumerate((4, 5)):
        tifffile.imwrite(tmp_path / f"frame_{number}.tif", np.zeros((side, side), np.uint16))
    with pytest.raises(DataError, match="4 x 4, 5 x 5 px"):
        reader("tiff").read([str(tmp_path / "frame_*.tif")])


def test_files_of_another_kind_are_refused(tmp_path):
    (tmp_path / "frame.tif").write_text("no image")
    with pytest.raises(DataError, match=r"frame.tif cannot be read"):
        reader("tiff").read([str(tmp_path / "frame.tif")])
    with pytest.raises(DataError, match="no file matches"):
        reader("tiff").read([str(tmp_path / "absent_*.tif")])
    with pytest.raises(DataError, match="at most one table"):
        reader("tiff").read([str(tmp_path / "frame.tif"), "scan.h5"])
