"""The table a run ends with."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

ROWS = {"amplitude": "amplitude", "phase": "phase", "phase_aligned": "phase, aligned"}
COLUMNS = {"psnr_db": "PSNR (dB)", "ssim": "SSIM (%)", "mse": "MSE", "mae": "MAE"}


def print_metrics(title: str, summary: Mapping[str, Mapping[str, float]], note: str = "") -> None:
    """Per-patch mean (PSNR and SSIM with standard deviation) and stitched value of each metric; 80 columns wide.

    Args:
        title: above the table.
        summary: see `Evaluation.summary`.
        note: below it, beside what is always said there.
    """
    table = Table("", title=title, title_justify="left", caption_justify="left")
    for column in COLUMNS.values():
        table.add_column(column, justify="right", no_wrap=True)
    for mode in ("patch_mean", "stitched"):
        for prefix, label in ROWS.items():
            names = [f"{prefix}_{metric}" for metric in COLUMNS]
            table.add_row(f"{mode.split('_')[0]} {label}", *(cell(summary, mode, name) for name in names))
        table.add_section()
    table.caption = "aligned: one constant phase removed per image, which a far field cannot tell"
    skipped = max(summary["patch_skipped"].values())
    if skipped:
        table.caption += f"; {skipped} flat patches without range left out"
    if note:
        table.caption += f"; {note}"
    Console().print(table)


def cell(summary: Mapping[str, Mapping[str, float]], mode: str, name: str) -> str:
    """One number as text."""
    if not name.endswith(("ssim", "db")):
        return format(summary[mode][name], ".4f")
    factor = 100 if name.endswith("ssim") else 1
    text = format(factor * summary[mode][name], ".2f")
    return text if mode == "stitched" else f"{text} ± {factor * summary['patch_std'][name]:.2f}"
