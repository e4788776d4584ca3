"""tike's .npz: zero frequency at the corner, row before column, axes of length 1 removed from the probe."""

import bz2

import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from tests.formats.samples import COUNTS, complex_array, reader, whole

SCAN = np.stack([np.arange(6.0), 10 + np.arange(6.0)], axis=1).astype(np.float32)


@pytest.mark.parametrize("ending", [".npz", ".npz.bz2"])
def test_a_scan_is_read_with_its_zero_frequency_at_the_corner(tmp_path, ending):
    np.savez(tmp_path / "scan.npz", data=COUNTS[None], scan=SCAN[None], probe=complex_array(1, 1, 1, 2, 8, 8))
    path = tmp_path / f"scan{ending}"
    if ending.endswith("bz2"):
        path.write_bytes(bz2.compress((tmp_path / "scan.npz").read_bytes()))
    assert reader("tike").recognises([str(path)])
    raw = reader("tike").read([str(path)])
    assert (raw.zero_frequency, raw.quantity, raw.raster) == ("corner", "intensity", None)
    np.testing.assert_array_equal(whole(raw.frames), COUNTS)
    np.testing.assert_array_equal(raw.positions_px, SCAN)
    assert raw.positions_px.dtype == np.float64
    np.testing.assert_array_equal(raw.probe, complex_array(2, 8, 8))


def test_several_scans_in_one_file_are_refused(tmp_path):
    np.savez(tmp_path / "scan.npz", data=np.stack([COUNTS] * 2), scan=np.stack([SCAN] * 2), probe=complex_array(8, 8))
    with pytest.raises(DataError, match="contains 2 scans"):
        reader("tike").read([str(tmp_path / "scan.npz")])
