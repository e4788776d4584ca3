"""The table of metrics that a command prints when it is done."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

ROWS = {"amplitude": "amplitude", "phase": "phase", "phase_aligned": "phase, aligned"}
COLUMNS = {"psnr_db": "PSNR (dB)", "ssim": "SSIM (%)", "mse": "MSE", "mae": "MAE"}


def print_metrics(title: str, summary: Mapping[str, Mapping[str, float]], note: str = "") -> None:
    """Print the mean over patches and the stitched value of each metric as a table of 80 columns.

    PSNR and SSIM means come with their standard deviation.

    Args:
        title: line above the table.
        summary: result of `Evaluation.aggregate`.
        note: text appended to the table's caption.
    """
    table = Table("", title=title, title_justify="left", caption_justify="left")
    for column in COLUMNS.values():
        table.add_column(column, justify="right", no_wrap=True)
    for mode in ("patch_mean", "stitched"):
        for prefix, label in ROWS.items():
            names = [f"{prefix}_{metric}" for metric in COLUMNS]
            table.add_row(f"{mode.split('_')[0]} {label}", *(format_cell(summary, mode, name) for name in names))
        table.add_section()
    table.caption = (
        "aligned: after removing the constant phase offset of each image, which far-field data cannot determine"
    )
    skipped = max(summary["patch_skipped"].values())
    if skipped:
        table.caption += f"; {skipped} flat patches have no PSNR or SSIM and are excluded"
    if note:
        table.caption += f"; {note}"
    Console().print(table)


def format_cell(summary: Mapping[str, Mapping[str, float]], mode: str, name: str) -> str:
    """Return one number of the table as text."""
    if not name.endswith(("ssim", "db")):
        return format(summary[mode][name], ".4f")
    factor = 100 if name.endswith("ssim") else 1
    text = format(factor * summary[mode][name], ".2f")
    return text if mode == "stitched" else f"{text} ± {factor * summary['patch_std'][name]:.2f}"
