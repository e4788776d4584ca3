"""Folders of a small sweep."""

from pathlib import Path

import pytest

from tests.benchmark.samples import write_outputs


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Folder with the runs and the plan of a small benchmark (see `write_outputs`)."""
    write_outputs(tmp_path)
    return tmp_path
