"""The table of metrics that a command prints when it is done."""

import math
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

ROWS = {"amplitude": "amplitude", "phase_aligned": "phase, aligned", "phase": "phase"}
COLUMNS = {"psnr_db": "PSNR (dB)", "ssim": "SSIM (%)", "mse": "MSE", "mae": "MAE"}
PARTS = {"patch_mean": "patch", "stitched": "stitched"}
EXTRA = {"frc_resolution_px": ("resolution", ".1f", " px"), "diffraction_misfit": ("misfit", ".3f", "")}


def print_metrics(title: str, summary: Mapping[str, Mapping], note: str = "") -> None:
    """Print the mean over patches and the stitched value of each metric as a table of 80 columns.

    PSNR and SSIM means come with their standard deviation. Below each row are the values of a constant guess.

    Args:
        title: line above the table.
        summary: result of `Evaluation.aggregate`.
        note: text appended to the table's caption.
    """
    table = Table("", title=title, title_justify="left", caption_justify="left")
    for column in COLUMNS.values():
        table.add_column(column, justify="right", no_wrap=True)
    for part, label in PARTS.items():
        for prefix, quantity in ROWS.items():
            names = [f"{prefix}_{metric}" for metric in COLUMNS]
            spread = summary["patch_std"] if part == "patch_mean" else {}
            table.add_row(f"{label} {quantity}", *(format_cell(summary[part], name, spread) for name in names))
            guess = summary["constant"][part]
            table.add_row("  constant guess", *(format_cell(guess, name, {}) for name in names), style="dim")
        table.add_section()
    table.caption = caption_of(summary, note)
    console = Console()
    console.print(table)
    for line in (*extra_lines(summary), *not_learned_lines(summary["not_learned"])):
        console.print(line, highlight=False)


def caption_of(summary: Mapping[str, Mapping], note: str) -> str:
    """Return the text below the table."""
    parts = [
        "aligned: after removing the constant phase offset of each image, which far-field data cannot determine",
        "constant guess: the mean of the true image everywhere",
    ]
    if skipped := max(summary["patch_skipped"].values()):
        both = " and SSIM" if summary["patch_skipped"]["amplitude_ssim"] else ""
        parts.append(f"the PSNR{both} of patches leave out {skipped} flat ones")
    return "; ".join([*parts, note] if note else parts)


def format_cell(values: Mapping[str, float], name: str, spread: Mapping[str, float]) -> str:
    """Return one number of the table as text, with its standard deviation if `spread` has it; a dash for NaN."""
    if math.isnan(values[name]):
        return "-"
    if not name.endswith(("ssim", "db")):
        return format(values[name], ".4f")
    factor = 100 if name.endswith("ssim") else 1
    text = format(factor * values[name], ".2f")
    return f"{text} ± {factor * spread[name]:.2f}" if name in spread else text


def extra_lines(summary: Mapping[str, Mapping]) -> list[str]:
    """Return the other scores of the stitched field in one line, each beside that of the constant guess."""
    found, guess = summary["stitched"], summary["constant"]["stitched"]
    texts = [
        f"{label} {found[name]:{form}}{unit} (guess {guess[name]:{form}})"
        for name, (label, form, unit) in EXTRA.items()
        if name in found
    ]
    return [f"stitched {', '.join(texts)}"] if texts else []


def not_learned_lines(quantities: Sequence[str]) -> list[str]:
    """Return a line that names what is no better than a constant guess; empty if every prediction is better."""
    if not quantities:
        return []
    return [f"did not learn: {' and '.join(quantities)} (no better than a constant guess)"]
