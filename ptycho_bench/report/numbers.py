"""Names, units and digits of metrics in reports."""

UNITS = {
    "_wrapped_mae_rad": "MAE (rad)",
    "_ssim_flattened": "SSIM, flattened (%)",
    "_psnr_db": "PSNR (dB)",
    "_ssim": "SSIM (%)",
    "_mse": "MSE",
    "_mae": "MAE",
    "_band_low": "energy in the low band (%)",
    "_band_middle": "energy in the middle band (%)",
    "_band_high": "energy in the high band (%)",
}
NAMES = {
    "seconds": "seconds",
    "seconds_per_epoch": "seconds per epoch",
    "parameters_mib": "parameters (MiB)",
    "convergence_epochs": "epochs to converge",
    "gflops": "GFLOPs",
    "milliseconds": "milliseconds",
    "frc_resolution_px": "FRC resolution (px)",
    "diffraction_misfit": "diffraction misfit",
}
TWO_DIGITS = ("_ssim", "_ssim_flattened", "_psnr_db", "parameters_mib", "milliseconds", "_per_epoch", "_resolution_px")


def label_of(metric: str) -> str:
    """Return the name of a metric in reports.

    >>> label_of("phase_aligned_psnr_db"), label_of("gflops"), label_of("phase_band_low")
    ('phase, aligned, PSNR (dB)', 'GFLOPs', 'phase energy in the low band (%)')
    """
    if metric in NAMES:
        return NAMES[metric]
    ending = next((end for end in UNITS if metric.endswith(end)), "")
    quantity = metric.removesuffix(ending).replace("_aligned", ", aligned,").replace("_", " ")
    return f"{quantity} {UNITS[ending]}" if ending else quantity


def display_factor(metric: str) -> int:
    """Return the factor between a metric and its value in reports, which show SSIM and energies in percent."""
    return 100 if metric.endswith(("_ssim", "_ssim_flattened")) or "_band_" in metric else 1


def format_number(metric: str, value: float) -> str:
    """Return a number of a metric as tables show it.

    >>> format_number("phase_ssim", 0.87412), format_number("amplitude_mse", 0.00371234)
    ('87.41', '0.00371')
    >>> format_number("amplitude_psnr_db", 19.618), format_number("seconds", 1234.5)
    ('19.62', '1234')
    """
    shown = display_factor(metric) * value
    if metric.endswith(TWO_DIGITS):
        return f"{shown:.2f}"
    if metric == "convergence_epochs":
        return f"{shown:.1f}"
    return f"{shown:.0f}" if abs(shown) >= 1000 else f"{shown:.3g}"


def format_range(metric: str, low: float, high: float) -> str:
    """Return an interval of a metric.

    >>> format_range("phase_ssim", 0.871, 0.893)
    '87.10 to 89.30'
    """
    return f"{format_number(metric, low)} to {format_number(metric, high)}"
