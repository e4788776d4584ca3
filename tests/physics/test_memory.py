"""What does not fit into the memory of this machine is refused before it is computed."""

import os

import pytest

from ptycho_bench.physics.memory import check_memory, check_scan_memory


def test_what_fits_is_accepted():
    check_memory(1e6, "a small thing", "do nothing")
    check_scan_memory(3721, 32)


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"a scan of 10,000,000 points .* needs 2,013,266 GB, this machine has"):
        check_scan_memory(10**7, 4096)


def test_nothing_is_checked_where_the_size_of_the_memory_is_unknown(monkeypatch):
    monkeypatch.setattr(os, "sysconf_names", {})
    check_memory(1e30, "anything", "nothing")
