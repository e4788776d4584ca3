"""Join of frames and positions by index; what does not fit is reported or refused."""

import dataclasses

import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import stream_array
from ptycho_bench.formats.positions import PositionOptions, join, median_step
from ptycho_bench.formats.raw_scan import RawScan

AS_STORED = PositionOptions(orientation="as_is", points=None, raster=None, step_m=None, step_px=None)


def raw(count: int = 6, **changes) -> RawScan:
    frames = stream_array(np.ones((count, 4, 4), np.uint16))
    return RawScan(source="scan.h5", format="keys", frames=frames, **changes)


def line(*numbers: float) -> np.ndarray:
    """Return positions in row 0 and the given columns."""
    return np.stack([np.zeros(len(numbers)), np.array(numbers, float)], axis=1)


def test_equal_numbers_without_index_are_joined_in_order():
    joined = join(raw(positions_m=line(0, 1, 2, 3, 4, 5)), AS_STORED)
    assert joined.kept.all() and joined.metric and not joined.notes
    np.testing.assert_array_equal(joined.positions, line(0, 1, 2, 3, 4, 5))


def test_different_numbers_without_index_are_refused():
    with pytest.raises(DataError, match="6 frames, but 5 positions and no index that joins them"):
        join(raw(positions_m=line(0, 1, 2, 3, 4)), AS_STORED)


def test_the_user_may_select_the_positions_of_the_frames():
    joined = join(raw(3, positions_m=line(0, 1, 2, 3, 4)), dataclasses.replace(AS_STORED, points=(1, 4)))
    np.testing.assert_array_equal(joined.positions, line(1, 2, 3))
    indexed = raw(3, positions_m=line(0, 1, 2, 3, 4), position_index=np.array([9, 0, 1, 2, 8]))
    joined = join(indexed, dataclasses.replace(AS_STORED, points=(1, 4)))
    np.testing.assert_array_equal(joined.positions, line(1, 2, 3))


def test_frames_are_joined_by_index_in_any_order():
    joined = join(raw(positions_px=line(50, 20, 40, 10, 0, 30), position_index=np.array([5, 2, 4, 1, 0, 3])), AS_STORED)
    np.testing.assert_array_equal(joined.positions, line(0, 10, 20, 30, 40, 50))
    assert not joined.metric


def test_dropped_frames_and_positions_are_counted():
    scan = raw(positions_m=line(10, 20, 30, 90), position_index=np.array([1, 2, 3, 9]), frame_index=np.arange(6))
    joined = join(scan, AS_STORED)
    assert joined.kept.tolist() == [False, True, True, True, False, False]
    np.testing.assert_array_equal(joined.positions, line(10, 20, 30))
    assert joined.notes == ("3 frames have no position and are dropped", "1 positions have no frame and are dropped")


def test_several_positions_of_one_frame_are_averaged():
    scan = raw(2, positions_m=line(10, 30, 7), position_index=np.array([0, 0, 1]))
    joined = join(scan, AS_STORED)
    np.testing.assert_array_equal(joined.positions, line(20, 7))
    assert "1 points have several positions; their mean is used" in joined.notes


def test_a_repeated_frame_index_is_kept_once():
    scan = raw(3, positions_m=line(0, 1), frame_index=np.array([0, 1, 1]))
    joined = join(scan, AS_STORED)
    assert joined.kept.tolist() == [True, True, False]
    assert joined.notes == ("1 frames repeat an index; the first frame of each index is kept",)


def test_a_frame_whose_position_is_nan_is_dropped():
    joined = join(raw(3, positions_m=line(0, np.nan, 2)), AS_STORED)
    assert joined.kept.tolist() == [True, False, True]
    assert any("NaN or infinite" in note for note in joined.notes)


def test_points_with_the_same_position_are_reported():
    joined = join(raw(3, positions_m=line(0, 0, 2)), AS_STORED)
    assert any("same position as another point" in note for note in joined.notes)


def test_indices_without_a_common_value_are_refused():
    with pytest.raises(DataError, match="no frame has a position"):
        join(raw(2, positions_m=line(0, 1), position_index=np.array([7, 8])), AS_STORED)


def test_a_raster_without_positions_is_laid_out_row_by_row():
    options = dataclasses.replace(AS_STORED, raster=(2, 3), step_px=4.0)
    joined = join(raw(), options)
    np.testing.assert_array_equal(joined.positions, [[0, 0], [0, 4], [0, 8], [4, 0], [4, 4], [4, 8]])
    np.testing.assert_array_equal(joined.scan_index, [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]])
    assert not joined.metric


def test_a_raster_keeps_its_rows_and_columns_if_frames_are_dropped():
    scan = raw(positions_m=line(0, 1, 2, 3, 5), position_index=np.array([0, 1, 2, 3, 5]), raster=(2, 3))
    np.testing.assert_array_equal(join(scan, AS_STORED).scan_index, [[0, 0], [0, 1], [0, 2], [1, 0], [1, 2]])


def test_a_scan_without_positions_and_raster_is_refused():
    with pytest.raises(DataError, match=r"contains no positions; .*positions\.raster=\[rows,columns\]"):
        join(raw(), AS_STORED)


def test_a_raster_of_another_size_is_refused():
    with pytest.raises(DataError, match="a raster of 2 x 2 points needs 4 frames, but the file has 6"):
        join(raw(), dataclasses.replace(AS_STORED, raster=(2, 2), step_px=4.0))


def test_axes_are_swapped_and_flipped_on_request():
    joined = join(raw(3, positions_m=line(0, 1, 5)), dataclasses.replace(AS_STORED, orientation="swap_flip_rows"))
    np.testing.assert_array_equal(joined.positions, [[5, 0], [4, 0], [0, 0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"orientation": "upside_down"}, "positions.orientation must be one of as_is"),
        ({"step_m": 1.0, "step_px": 2.0}, "exclude each other"),
        ({"points": (3, 3)}, "positions.points must be"),
        ({"raster": (0, 3)}, "positions.raster must be"),
    ],
)
def test_impossible_options_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(AS_STORED, **change)


def test_the_step_is_the_median_distance_of_nearest_neighbours():
    assert median_step(line(0, 2, 4, 10)) == 2.0
    assert median_step(line(0)) is None


def test_positions_that_are_all_the_same_are_refused():
    with pytest.raises(DataError, match="all 6 positions are the same; name other positions"):
        join(raw(positions_m=line(*[3] * 6)), AS_STORED)


def test_selected_positions_must_exist():
    with pytest.raises(DataError, match=r"positions\.points \[0, 99999\) reaches beyond 6 positions"):
        join(raw(positions_m=line(0, 1, 2, 3, 4, 5)), dataclasses.replace(AS_STORED, points=(0, 99999)))


@pytest.mark.parametrize("step", [float("nan"), float("inf"), -1.0, 0.0])
def test_a_step_is_a_positive_number(step):
    for name in ("step_m", "step_px"):
        with pytest.raises(ValueError, match=f"{name} must"):
            dataclasses.replace(AS_STORED, **{name: step})
