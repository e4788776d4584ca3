"""Settings of a raster scan that cannot be or would take too long."""

import pytest

from ptycho_bench.physics.raster import MOST_POINTS, raster_step

SETTINGS = {"overlap_ratio": 0.75, "step_px": None, "jitter_px": 3}


def test_the_step_follows_from_the_overlap():
    assert raster_step((512, 512), 32, **SETTINGS) == 8
    assert raster_step((512, 512), 32, **{**SETTINGS, "overlap_ratio": None, "step_px": 5}) == 5


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        (512, {"step_px": 4}, "give one of overlap_ratio and step_px, got 0.75 and 4; set one to null"),
        (512, {"overlap_ratio": None}, "give one of overlap_ratio and step_px, got null and null"),
        (512, {"jitter_px": 33}, r"jitter_px must lie in \[0, 32\], at most the side of the probe, got 33"),
        (16, {}, "smaller than the probe of 32 px; enlarge it"),
        (4096, {"overlap_ratio": 0.99}, f"4065 x 4065 scan points, more than {MOST_POINTS:,}; take a larger step"),
    ],
)
def test_an_impossible_or_too_large_scan_is_refused(size, changes, message):
    with pytest.raises(ValueError, match=message):
        raster_step((size, size), 32, **{**SETTINGS, **changes})
