"""The table a run ends with."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

ROWS = {"amplitude": "amplitude", "phase": "phase", "phase_aligned": "phase, constant removed"}


def print_metrics(title: str, summary: Mapping[str, Mapping[str, float]]) -> None:
    """Per-patch mean +- standard deviation and stitched value of PSNR, SSIM, MSE and MAE."""
    table = Table(title=title, title_justify="left")
    for column in ("", "PSNR (dB)", "SSIM (%)", "MSE", "MAE"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for mode in ("per patch", "stitched"):
        for prefix, label in ROWS.items():
            names = [f"{prefix}_{metric}" for metric in ("psnr_db", "ssim", "mse", "mae")]
            table.add_row(f"{label}, {mode}", *(cell(summary, mode, name) for name in names))
        table.add_section()
    skipped = max(summary["patch_skipped"].values())
    if skipped:
        table.caption = f"{skipped} flat patches have no PSNR or SSIM and are left out"
    Console(width=max(100, Console().width)).print(table)


def cell(summary: Mapping[str, Mapping[str, float]], mode: str, name: str) -> str:
    """One number as text."""
    factor, form = (100, ".2f") if name.endswith("ssim") else (1, ".2f" if name.endswith("db") else ".4f")
    if mode == "stitched":
        return format(factor * summary["stitched"][name], form)
    mean, std = (factor * summary[part][name] for part in ("patch_mean", "patch_std"))
    return f"{mean:{form}} ± {std:{form}}"
