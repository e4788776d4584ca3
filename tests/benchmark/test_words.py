"""Overrides as words and as names, and the differences of two configurations as overrides."""

import hydra
import pytest

from ptycho_bench.benchmark.words import as_words, below_here, differences, hydra_value, slug


def test_choices_of_files_come_before_values_inside_them():
    assert as_words({"loss.alpha": 0.5, "loss": "weighted"}) == ["loss=weighted", "loss.alpha=0.5"]
    assert "/" not in slug({"data.obj.scaling": "a/../b"})


@pytest.mark.parametrize(
    "value", ["out/a.b-c", "/tmp/x.ckpt", "a b", "1e3", ".5", "null", "a=b", "a,b", "[x]", "it's", "~x"]
)
def test_a_text_comes_back_from_a_command_line(value):
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        assert hydra.compose("evaluate", [f"checkpoint={hydra_value(value)}"]).checkpoint == value


def test_a_folder_below_the_working_directory_is_named_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(below_here(tmp_path / "a/b")) == "a/b"
    assert below_here(tmp_path.parent) == tmp_path.parent
    assert str(below_here(below_here(tmp_path / "a"))) == "a"


def test_the_differences_give_one_configuration_the_values_of_another():
    with hydra.initialize_config_module("ptycho_bench.conf", version_base="1.3"):
        wanted = hydra.compose("config", ["data.overlap_ratio=0.5", "data.pixel_size_m=2e-9", "noise=ppn", "seed=3"])
        found = hydra.compose("simulate", ["noise=ppn"])
        words = differences(wanted, found, ["data", "noise"])
        assert words == {"data.overlap_ratio": 0.5, "data.pixel_size_m": 2e-9, "data.obj.film.pixel_size_m": 2e-9}
        again = hydra.compose("simulate", ["noise=ppn", *as_words(words)])
    assert differences(wanted, again, ["data", "noise"]) == {}
