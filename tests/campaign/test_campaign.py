"""The campaign finds no bad verdict. It takes an hour or two; CAMPAIGN_CSV=FILE lets it continue where it stopped."""

import os
from pathlib import Path

import pytest

from tests.campaign.bench import Bench
from tests.campaign.campaign import all_cases, bad_rows, chosen, run_all
from tests.campaign.summary import table
from tests.campaign.target import Target, this_python

KINDS = ("options", "places", "files", "flips of data", "flips of checkpoints", "flips of exports", "hostile",
         "full disks", "read-only folders", "output", "signals", "races", "kills", "soak")  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench whose target is the checkout that these tests belong to."""
    folder = tmp_path_factory.mktemp("campaign")
    target = Target(this_python(), folder)
    yield Bench(target, folder)
    target.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_case_has_a_bad_verdict(bench, kind):
    file = Path(os.environ.get("CAMPAIGN_CSV") or bench.root / "campaign.csv")
    rows = run_all(bench, chosen(all_cases(), [kind], None), file)
    bad = [f"{row['verdict']}: {row['case']}: {row['last line']}" for row in bad_rows(rows)]
    assert not bad, "\n".join([table(rows), *bad])


@pytest.mark.slow
def test_every_kind_is_tried():
    assert {case.kind for case in all_cases()} == set(KINDS)
