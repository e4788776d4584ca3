"""Ranges that scale the data: those of the training part, or of every point."""

import numpy as np
import pytest

from ptycho_bench.config.checkpoint import StoredScaling
from ptycho_bench.data.split import Split, SplitScan
from ptycho_bench.network.scaling import Scaling
from ptycho_bench.records.run_folder import RunFolder
from ptycho_bench.runs.prepare import fit_scaling, prepare
from tests.runs.conftest import composed_run, composed_spec

TRAIN = np.arange(7)


@pytest.fixture
def parts(tiny_scan, other_scan) -> list[SplitScan]:
    """Two scans whose few training points have smaller ranges than all points."""
    return [
        SplitScan(name, scan, Split(TRAIN, np.arange(7, 9), np.arange(9, len(scan))))
        for name, scan in (("tiny", tiny_scan), ("other", other_scan))
    ]


def points_of(part: SplitScan, ranges: str) -> np.ndarray:
    return TRAIN if ranges == "training" else np.arange(len(part.scan))


@pytest.mark.parametrize("ranges", ["training", "all"])
def test_ranges_are_those_of_the_named_points_for_one_scan_and_for_several(parts, ranges):
    expected = [Scaling.of(part.scan, points_of(part, ranges)) for part in parts]
    own = fit_scaling(parts[:1], "own", ranges)
    assert own.keys() == {"scaling"} and Scaling(**own["scaling"]) == expected[0]
    both = fit_scaling(parts, "own", ranges)
    assert [Scaling(**both["own_scaling"][part.scan.content_hash]) for part in parts] == expected
    joint = Scaling(**both["scaling"])
    assert joint == Scaling.over([(part.scan, points_of(part, ranges)) for part in parts])
    assert joint.phase_high == max(one.phase_high for one in expected)
    assert "own_scaling" not in fit_scaling(parts, "joint", ranges)


def test_all_points_have_wider_ranges_than_the_training_part(parts):
    training, whole = (Scaling(**fit_scaling(parts[:1], "joint", ranges)["scaling"]) for ranges in ("training", "all"))
    assert whole.phase_low <= training.phase_low and training.phase_high < whole.phase_high
    assert training.intensity_max <= whole.intensity_max and training.log1p_deviation != whole.log1p_deviation


def test_a_run_scales_by_the_ranges_that_it_names(tiny_words, tiny_scan, tmp_path):
    spec = composed_spec(*tiny_words("ranges=all"))
    module = prepare(spec, RunFolder(tmp_path)).module
    everywhere = Scaling.of(tiny_scan, np.arange(len(tiny_scan)))
    assert module.network.scaling == module.scan_networks[0].scaling == everywhere
    StoredScaling(**module.description["scaling"])


def test_ranges_are_part_of_the_identity_of_a_run(tiny_words):
    default, named, everywhere = (
        composed_run(*tiny_words(*words)).identity for words in ((), ("ranges=training",), ("ranges=all",))
    )
    assert default == named != everywhere
