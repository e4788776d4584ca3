"""YAML files in a folder of the user: what stands for billions of values is refused before Hydra expands it."""

import time

import pytest

from ptycho_bench.config.yaml_bounds import check_config_folder
from tests.conftest import CONF


def bomb(levels):
    """Return YAML of a few lines that stands for 10**levels values."""
    lines = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *lines])


def test_aliases_are_counted_as_often_as_they_are_used(tmp_path):
    (tmp_path / "benchmark").mkdir()
    file, begun = tmp_path / "benchmark/x.yaml", time.monotonic()
    file.write_text(bomb(12))
    with pytest.raises(ValueError, match=r"x\.yaml stands for 1\.\d+e\+12 values, at most 100000 are read"):
        check_config_folder(tmp_path)
    assert time.monotonic() - begun < 5
    file.write_text(bomb(3))
    check_config_folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "contains itself"),
        ("#" * 2**20 + "#", "is larger than 1 MiB"),
    ],
)
def test_other_expensive_files_are_refused(tmp_path, text, message):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        check_config_folder(tmp_path)


def test_shipped_and_damaged_files_pass_because_hydra_reports_the_latter(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"a: [\xff")
    (tmp_path / "y.yaml").write_text("a: *unknown")
    for folder in (tmp_path, CONF):
        check_config_folder(folder)
