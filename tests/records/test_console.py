"""The table of metrics on the console."""

import pytest

from ptycho_bench.records.console import COLUMNS, ROWS, print_metrics

NAMES = [f"{row}_{metric}" for row in ROWS for metric in COLUMNS]


@pytest.fixture
def printed(monkeypatch, capsys):
    """A function that prints a table on a console of 80 columns and returns its lines."""
    monkeypatch.setenv("COLUMNS", "80")

    def lines(skipped: int = 0, note: str = "") -> list[str]:
        summary = {
            "patch_mean": {name: 0.8 for name in NAMES},
            "patch_std": {name: 0.05 for name in NAMES},
            "patch_skipped": {name: skipped for name in NAMES},
            "stitched": {name: 0.9 for name in NAMES},
        }
        print_metrics("a run", summary, note)
        return capsys.readouterr().out.splitlines()

    return lines


def test_means_have_a_spread_and_ssim_is_a_percentage(printed):
    lines = printed()
    assert lines[0].strip() == "a run"
    assert max(map(len, lines)) <= 80
    table = [line.split() for line in lines if "amplitude" in line]
    assert [cell for cell in table[0] if cell[0].isdigit()] == ["0.80", "0.05", "80.00", "5.00", "0.8000", "0.8000"]
    assert [cell for cell in table[1] if cell[0].isdigit()] == ["0.90", "90.00", "0.9000", "0.9000"]


def test_the_caption_contains_the_number_of_skipped_patches_and_the_note(printed):
    assert "flat patches" not in " ".join(printed())
    caption = " ".join(" ".join(printed(skipped=3, note="pooled over scans")).split())
    assert "3 flat patches have no PSNR or SSIM and are excluded; pooled over scans" in caption
