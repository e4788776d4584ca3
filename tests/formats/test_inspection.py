"""Description of a scan, and of the contents of a file."""

import dataclasses

import h5py
import numpy as np
import pytest
import tifffile
import torch

from ptycho_bench.formats.inspection import overlap_of, what_is_missing
from ptycho_bench.formats.tree import tree
from ptycho_bench.physics.probe import probe_diameter


def test_the_diameter_of_a_disc_is_exact():
    y, x = np.mgrid[:64, :64] - 31.5
    disc = (np.hypot(y, x) <= 12).astype(np.complex64)
    assert probe_diameter(torch.from_numpy(disc)[None]) == pytest.approx(24, rel=0.02)
    assert probe_diameter(torch.from_numpy(np.roll(disc, 9, axis=0))[None]) == pytest.approx(24, rel=0.02)


def test_overlap_refers_to_the_probe_if_it_is_known(tiny_scan):
    known, bare = overlap_of(tiny_scan), overlap_of(dataclasses.replace(tiny_scan, probe=None))
    assert bare.width_px == 16
    assert bare.ratio == pytest.approx(1 - bare.step_px / 16)
    assert known.ratio == pytest.approx(1 - known.step_px / probe_diameter(torch.from_numpy(tiny_scan.probe)))


def test_missing_data_is_named_with_the_way_to_get_it(tiny_scan):
    assert what_is_missing(tiny_scan) == []
    bare = dataclasses.replace(
        tiny_scan, amplitude=None, phase=None, probe=None, info=dataclasses.replace(tiny_scan.info, pixel_size_m=None)
    )
    lines = what_is_missing(bare)
    assert [line.split(":")[0] for line in lines] == [
        "for training", "for reconstruction", "for a scale in nanometres"
    ]  # fmt: skip


def test_the_tree_shows_shapes_units_filters_links_and_values(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as handle:
        handle.attrs["creator"] = "beamline"
        data = handle.create_dataset("entry/data", data=np.ones((3, 8, 8), np.uint16), chunks=(1, 8, 8), compression=4)
        data.attrs["units"] = "counts"
        handle["entry/energy"] = 8.8
        handle["entry/energy"].attrs["units"] = "keV"
        handle["soft"] = h5py.SoftLink("/entry/data")
        handle["part"] = h5py.ExternalLink("absent.h5", "/data")
    text = "\n".join(tree(str(tmp_path / "a.h5")))
    for line in (
        "@creator = beamline", "entry/", "data  uint16 (3, 8, 8) [counts], chunks (1, 8, 8), gzip",
        "energy  = 8.8 [keV]", "soft -> /entry/data", "part -> absent.h5:/data (missing)",
    ):  # fmt: skip
        assert line in text, line


def test_a_long_tree_is_cut(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as handle:
        for number in range(500):
            handle[f"data_{number}"] = number
    lines = tree(str(tmp_path / "a.h5"))
    assert len(lines) == 201 and lines[-1] == "... and 300 more"


def test_the_tree_of_npz_and_npy_shows_their_headers(tmp_path):
    np.savez(tmp_path / "a.npz", data=np.zeros((2, 3), np.float32), probe=np.asfortranarray(np.zeros((4, 5), complex)))
    np.save(tmp_path / "b.npy", np.zeros((6, 7), np.uint16))
    assert tree(str(tmp_path / "a.npz")) == ["data  float32 (2, 3)", "probe  complex128 (4, 5), Fortran order"]
    assert tree(str(tmp_path / "b.npy")) == ["uint16 (6, 7)"]


def test_the_tree_of_a_stack_shows_its_shape_and_that_of_a_table_its_columns(tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 6, 7), np.uint16))
    (tmp_path / "places.csv").write_text("y_um, x_um\n0,1\n0,2\n0,3\n")
    (tmp_path / "bare.txt").write_text("0 1\n0 2\n")
    (tmp_path / "notes.txt").write_text("shutter stuck\nagain\n")
    assert tree(str(tmp_path / "stack.tif")) == ["uint16 (5, 6, 7)"]
    assert tree(str(tmp_path / "places.csv")) == ["3 rows x 2 columns: y_um, x_um"]
    assert tree(str(tmp_path / "bare.txt")) == ["2 rows x 2 columns, no header"]
    assert tree(str(tmp_path / "notes.txt")) == ["1 rows x 1 columns: shutter, stuck"]


def test_the_tree_of_groups_that_contain_each_other_and_of_long_values_ends(tmp_path):
    np.arange(4, dtype=np.uint16).tofile(tmp_path / "secret.raw")
    with h5py.File(tmp_path / "a.h5", "w") as handle:
        group = handle.create_group("a")
        for number in range(3):
            group[f"again_{number}"] = group
        handle["long"] = np.bytes_(b"x" * 10**5)
        handle.attrs["lines"] = "one\ntwo" + 500 * " "
        handle.create_dataset("raw", (4,), np.uint16, external=[(str(tmp_path / "secret.raw"), 0, 8)])
    lines = tree(str(tmp_path / "a.h5"))
    assert len(lines) == 7 and all("\n" not in line and len(line) < 200 for line in lines)
    assert "secret.raw, which is not read" in lines[-1] and "@lines = one two..." in lines
