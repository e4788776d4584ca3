"""Folders and table of a small sweep."""

from pathlib import Path

import pytest

from ptycho_bench.benchmark.collect import collect
from ptycho_bench.benchmark.tables import Table, make_table
from tests.benchmark.conftest import outputs  # noqa: F401 - a fixture
from tests.benchmark.samples import PLAN


@pytest.fixture
def table(outputs: Path) -> Table:  # noqa: F811
    """Table of the small benchmark."""
    return make_table(collect(outputs / PLAN, outputs))
