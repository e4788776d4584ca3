"""Words of a command line that Hydra cannot read as they are."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from ptycho_bench.config.command_line import hydra_words, literal_path
from ptycho_bench.config.overrides import (
    checkpoint_to_override,
    files_to_override,
    flags_to_overrides,
    networks_to_override,
    quoted,
    scans_to_overrides,
)

PATHS = ["a b.h5", "it's.h5", "a=b,c.h5", "back\\slash.h5", "a\\'b", "end\\", "[x].h5", "{y}.h5", "ä.h5"]


@pytest.mark.parametrize("path", PATHS)
def test_hydra_reads_a_quoted_path_as_it_is(path):
    (parsed,) = OverridesParser.create().parse_overrides([f"key={quoted(path)}"])
    assert parsed.value() == path


@pytest.mark.parametrize("path", [*PATHS, "${oc.env:HOME}.h5", "a\\${x}", "$x {y} ${{z}}"])
def test_a_quoted_path_is_not_interpolated(path):
    (parsed,) = OverridesParser.create().parse_overrides([f"key={quoted(path)}"])
    assert OmegaConf.to_container(OmegaConf.create({"key": parsed.value()}), resolve=True) == {"key": path}


@pytest.mark.parametrize("word", ["out=${oc.env:HOME}.h5", "files=['${x}.h5']", "+data.obj.object_path=a${x}"])
def test_a_path_on_the_command_line_is_not_interpolated(word):
    (parsed,) = OverridesParser.create().parse_overrides([literal_path(word)])
    value = OmegaConf.to_container(OmegaConf.create({"key": parsed.value()}), resolve=True)["key"]
    assert (value[0] if isinstance(value, list) else value) == word.partition("=")[2].strip("[']")


def test_flags_come_first_and_other_words_stay_in_their_order():
    assert hydra_words(["a=1", "-m", "b=2", "--cfg=job"]) == ["-m", "--cfg", "job", "a=1", "b=2"]


def test_a_second_trained_network_is_refused():
    with pytest.raises(ValueError, match=r"takes 1 trained network, got 2: a\.ckpt, b\.onnx"):
        networks_to_override(["scan.h5", "a.ckpt", "b.onnx"])


def test_files_become_one_list_and_other_words_stay():
    assert files_to_override(["a.h5", "x=1", "--cfg", "b.h5"], "files") == ["files=['a.h5','b.h5']", "x=1", "--cfg"]
    assert files_to_override(["x=1"], "files") == ["x=1"]


def test_a_trained_network_is_told_from_the_scan_by_its_suffix():
    assert networks_to_override(["scan.h5", "net.onnx"]) == ["files=['scan.h5']", "checkpoint='net.onnx'"]
    assert networks_to_override(["scan.h5", "solver=epie"]) == ["files=['scan.h5']", "solver=epie"]


def test_a_second_checkpoint_is_refused():
    with pytest.raises(ValueError, match=r"takes 1 checkpoint, got 2: a\.ckpt, b\.ckpt"):
        checkpoint_to_override(["a.ckpt", "b.ckpt"])


@pytest.mark.parametrize("words", [["--index"], ["--index", "x"], ["--index", "-1"]])
def test_a_flag_without_its_number_is_refused(words):
    with pytest.raises(ValueError, match="--index needs a number"):
        flags_to_overrides(words, {}, {"--index": "index"})


def test_several_lists_of_scans_are_a_sweep():
    assert scans_to_overrides(["data=[a.h5],[ltem,b.h5]"]) == ["data=several", "data.scans=['a.h5'],['ltem','b.h5']"]


@pytest.mark.parametrize("word", ["data=[a,b", "data=[a],b", "data=[[a]]"])
def test_a_list_that_cannot_be_read_is_refused(word):
    with pytest.raises(ValueError, match="write data="):
        scans_to_overrides([word])


def test_a_value_beside_several_scans_is_refused():
    with pytest.raises(ValueError, match="does not say which of several scans"):
        scans_to_overrides(["data=[a.h5,b.h5]", "data.photons=1e4"])
