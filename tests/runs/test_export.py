"""Which scaling an exported network contains, and for which scans it may be used."""

import re
from types import SimpleNamespace

import pytest

from ptycho_bench.runs.export import scan_named
from ptycho_bench.runs.trained import exported_for

ONE, TWO, THREE = "aa11" + 60 * "0", "bb22" + 60 * "0", "aa33" + 60 * "0"


@pytest.fixture
def description():
    """Description of a network that was trained on three scans, each with its own scaling."""
    scans = {"one": ONE, "two": TWO, "bb": THREE}
    tested = [{"name": name, "content_hash": content_hash} for name, content_hash in scans.items()]
    return {"test": tested, "own_scaling": {content_hash: {} for content_hash in scans.values()}}


@pytest.mark.parametrize(("word", "expected"), [("two", TWO), ("aa11", ONE), (TWO, TWO), ("bb", THREE)])
def test_a_scan_is_chosen_by_its_name_or_by_the_beginning_of_its_hash(description, word, expected):
    assert scan_named(description, word) == expected


@pytest.mark.parametrize(("word", "count"), [("three", 0), ("aa", 2)])
def test_a_word_that_does_not_fit_one_scan_is_refused(description, word, count):
    message = f"scan={word} fits {count} of the 3 scans of training; there are one (aa11000000), two (bb22000000), bb"
    with pytest.raises(ValueError, match=re.escape(message)):
        scan_named(description, word)


def test_a_network_with_one_scaling_has_none_to_choose():
    with pytest.raises(ValueError, match="this network has one for all; leave it out"):
        scan_named({"test": [{"name": "one", "content_hash": ONE}]}, "one")


@pytest.mark.parametrize(
    ("held", "content_hash", "contained"),
    [(None, ONE, "the joint scaling"), (TWO, ONE, "that of scan bb22000000"), (None, "new", None), (TWO, "new", None),
     (TWO, TWO, None)],
)  # fmt: skip
def test_an_exported_file_is_used_for_its_own_scan_and_for_scans_that_were_not_trained_on(
    description, held, content_hash, contained
):
    exported = SimpleNamespace(metadata={"scaling_of": held}, description=description)
    if contained is None:
        assert exported_for(exported, "x.onnx", content_hash) is exported
    else:
        message = (
            f"x.onnx contains {contained}, this scan has its own; ptycho-export CHECKPOINT scan={content_hash[:10]}"
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            exported_for(exported, "x.onnx", content_hash)
