"""The next command for a scan: import it, solve it, or train on it."""

import dataclasses
import shlex

import pytest

from ptycho_bench.runs.next_step import next_command


def test_files_of_another_program_are_imported_with_the_options_of_the_user(tiny_scan):
    command = next_command(["a scan.cxi", "b.h5"], ["geometry.energy_ev=8800"], tiny_scan, own=False)
    assert command == "ptycho-import 'a scan.cxi' b.h5 geometry.energy_ev=8800"


def test_a_scan_without_labels_is_solved(tiny_scan):
    unsolved = dataclasses.replace(tiny_scan, amplitude=None, phase=None)
    assert next_command(["scan.h5"], [], unsolved, own=True) == "ptycho-reconstruct scan.h5 solver=rpie triplets=true"


@pytest.mark.parametrize(
    ("origin", "split"),
    [("simulated from ltem", []), ("solved by rpie, simulated from ltem", ["split=region"]),
     ("imported from tike", ["split=region"])],
)  # fmt: skip
def test_a_scan_with_labels_is_trained_on_and_a_measured_one_is_split_by_region(tiny_scan, origin, split):
    scan = dataclasses.replace(tiny_scan, info=dataclasses.replace(tiny_scan.info, origin=origin))
    words = shlex.split(next_command(["my scan.h5"], [], scan, own=True))
    assert words == ["ptycho-train", "data=file", "data.file_path=my scan.h5", *split]
