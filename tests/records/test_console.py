"""The table of metrics on the console."""

import math

import pytest

from ptycho_bench.records.console import COLUMNS, ROWS, print_metrics

NAMES = [f"{row}_{metric}" for row in ROWS for metric in COLUMNS]


@pytest.fixture
def printed(monkeypatch, capsys):
    """A function that prints a table on a console of 80 columns and returns its lines."""
    monkeypatch.setenv("COLUMNS", "80")

    def lines(skipped: int = 0, note: str = "", *, not_learned: tuple = (), guess: float = 0.7, **extra) -> list[str]:
        summary = {
            "patch_mean": dict.fromkeys(NAMES, 0.8),
            "patch_std": dict.fromkeys(NAMES, 0.05),
            "patch_skipped": dict.fromkeys(NAMES, skipped),
            "stitched": dict.fromkeys(NAMES, 0.9) | extra,
            "constant": {"patch_mean": dict.fromkeys(NAMES, guess), "stitched": dict.fromkeys(NAMES, 0.6) | extra},
            "not_learned": list(not_learned),
        }
        print_metrics("a run", summary, note)
        return capsys.readouterr().out.splitlines()

    return lines


def numbers(line: str) -> list[str]:
    return [cell for cell in line.split() if cell[0].isdigit() or cell == "-"]


def test_means_have_a_spread_and_ssim_is_a_percentage(printed):
    lines = printed()
    assert lines[0].strip() == "a run"
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if "amplitude" in line]
    assert numbers(rows[0]) == ["0.80", "0.05", "80.00", "5.00", "0.8000", "0.8000"]
    assert numbers(rows[1]) == ["0.90", "90.00", "0.9000", "0.9000"]


def test_the_score_of_a_constant_guess_is_below_every_score(printed):
    lines = printed()
    rows = [k for k, line in enumerate(lines) if "patch " in line or "stitched " in line]
    assert len(rows) == 6
    assert all("constant guess" in lines[k + 1] for k in rows)
    assert numbers(lines[rows[0] + 1]) == ["0.70", "70.00", "0.7000", "0.7000"]
    assert numbers(lines[rows[-1] + 1]) == ["0.60", "60.00", "0.6000", "0.6000"]


def test_the_aligned_phase_comes_before_the_phase_of_the_papers(printed):
    rows = [line.split("│")[1].strip() for line in printed() if "stitched " in line]
    assert rows == ["stitched amplitude", "stitched phase, aligned", "stitched phase"]


def test_a_score_without_a_value_is_a_dash(printed):
    lines = printed(guess=math.nan)
    assert numbers(next(line for line in lines if "constant guess" in line)) == ["-"] * 4


def test_what_was_not_learned_is_named(printed):
    assert not any("did not learn" in line for line in printed())
    assert printed(not_learned=["phase"])[-1] == "did not learn: phase (no better than a constant guess)"
    both = printed(not_learned=["amplitude", "phase"])
    assert both[-1] == "did not learn: amplitude and phase (no better than a constant guess)"
    assert max(map(len, both)) <= 80


def test_resolution_and_misfit_are_printed_if_they_are_known(printed):
    lines = printed(frc_resolution_px=512.04, diffraction_misfit=0.12345)
    assert lines[-1] == "stitched resolution 512.0 px (guess 512.0), misfit 0.123 (guess 0.123)"
    assert "resolution" not in " ".join(printed())


def test_the_caption_contains_the_number_of_skipped_patches_and_the_note(printed):
    assert "flat ones" not in " ".join(printed())
    caption = " ".join(" ".join(printed(skipped=3, note="pooled over scans")).split())
    assert "the PSNR and SSIM of patches leave out 3 flat ones; pooled over scans" in caption
