"""Tables of positions: with or without header and index, with the unit in the header or given."""

import numpy as np
import pytest

from ptycho_bench.data.errors import DataError
from ptycho_bench.formats.containers.table import read_positions

PLACES = np.array([[1.0, 10.0], [2.0, 20.0]])  # row, column


def read(tmp_path, text, unit="m"):
    (tmp_path / "places.csv").write_text(text)
    return read_positions(tmp_path / "places.csv", unit=unit)


@pytest.mark.parametrize(
    "text",
    [
        "1,10\n2,20\n",
        "1 10\n2 20",
        "1;10\n\n2;20\n",
        "1\t10\n2\t20\n",
        "0,1,10\n1,2,20\n",
        "y,x\n1,10\n2,20\n",
        "x,y\n10,1\n20,2\n",
        "# column row\n10 1\n20 2\n",
        "\ufeffx_m,y_m\n10,1\n20,2\n",
        "X (m),Y (m),intensity\n10,1,5\n20,2,5\n",
    ],
)
def test_row_and_column_are_read_from_every_form_of_table(tmp_path, text):
    table = read(tmp_path, text)
    np.testing.assert_array_equal(table.metres, PLACES)
    assert table.pixels is None


def test_the_index_is_the_first_column_or_found_by_its_name(tmp_path):
    assert read(tmp_path, "3,1,10\n7,2,20\n").index.tolist() == [3, 7]
    assert read(tmp_path, "x,y,index\n10,1,3\n20,2,7\n").index.tolist() == [3, 7]
    assert read(tmp_path, "1,10\n2,20\n").index is None


def test_a_missing_header_is_reported(tmp_path):
    assert "row (y), column (x)" in read(tmp_path, "1,10\n").notes[0]
    assert read(tmp_path, "y,x\n1,10\n").notes == ()


def test_the_unit_in_the_header_takes_precedence(tmp_path):
    np.testing.assert_allclose(read(tmp_path, "y_um,x_um\n1,10\n2,20\n", unit="m").metres, PLACES * 1e-6)
    np.testing.assert_allclose(read(tmp_path, "y [nm],x [nm]\n1,10\n2,20\n", unit="m").metres, PLACES * 1e-9)
    np.testing.assert_allclose(read(tmp_path, "1,10\n2,20\n", unit="um").metres, PLACES * 1e-6)
    table = read(tmp_path, "1,10\n2,20\n", unit="px")
    assert table.metres is None
    np.testing.assert_array_equal(table.pixels, PLACES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,10\n2,twenty\n", "point 2 is '2,twenty'"),
        ("1,10\n2\n", "point 2 is '2'"),
        ("1,10\n2,\n", "point 2 is '2'"),
        ("1,10\n2,NA\n", "point 2 is '2,NA'"),
        ("1,10\n2,True\n", "point 2 is '2,True'"),
        ("1,2,3,4\n", "4 columns and no header"),
        ("u,v\n1,2\n", "its header is u, v"),
        ("y,x\n", "no positions"),
        ("", "0 bytes"),
    ],
)
def test_the_error_for_a_bad_table_names_the_row(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)
