"""Progress lines if the error output is not a terminal, and a bar if it is one."""

import io
import sys

from ptycho_bench.records import progress as module
from ptycho_bench.records.progress import progress


def test_a_line_is_printed_once_the_interval_has_passed(capsys, monkeypatch):
    seconds = iter([0.0, 5.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(seconds))
    with progress("reading", 4) as report:
        for done in (1, 2, 3):
            report(done)
    assert capsys.readouterr() == ("", "reading: 2 of 4\n")


def test_a_single_item_shows_nothing(capsys, monkeypatch):
    monkeypatch.setattr(module, "LINE_INTERVAL_S", 0.0)
    with progress("reading", 1) as report:
        report(1)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_bar(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("reading", 2) as report:
        report(1)
        report(2)
    assert "reading" in terminal.getvalue()
