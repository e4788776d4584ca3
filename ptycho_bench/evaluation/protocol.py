"""Conventions by which images are compared, the same for networks and solvers."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ptycho_bench.evaluation import metrics
from ptycho_bench.evaluation.images import FLAT, Images
from ptycho_bench.network.scaling import Scaling


@dataclass(frozen=True, kw_only=True)
class MetricProtocol:
    """Conventions by which metrics are computed, one of conf/metrics.

    Args:
        data_range: `unit` is 1, the range of scaled images (PPN). `target` is max - min of each target (CPR); flat
            patches then have no PSNR and SSIM and are counted as skipped.
        ssim_window: `gaussian` or `uniform`, see `metrics.ssim`.
        spectrum: `diagonal` (PPN) or `radial` (CPR), by which the energy in three frequency bands is computed.
        flattened_ssim: whether the SSIM of PPN's released code is computed as well, see `flattened`.
        scaled_by: whose ranges are scaled to [0, 1]: those of the `training`, those of the scored `field`, or `auto`:
            those of the training on its own scans, and those of the field on any other.

    Raises:
        ValueError: If a choice is unknown.
    """

    data_range: Literal["unit", "target"]
    ssim_window: Literal["gaussian", "uniform"]
    spectrum: Literal["diagonal", "radial"]
    flattened_ssim: bool
    scaled_by: Literal["auto", "training", "field"]

    def __post_init__(self) -> None:
        choices = {"data_range": ("unit", "target"), "ssim_window": ("gaussian", "uniform")}
        choices |= {"spectrum": ("diagonal", "radial"), "scaled_by": ("auto", "training", "field")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"metrics.{name} must be {' or '.join(allowed)}, got {getattr(self, name)!r}")

    def check(self, side: int) -> None:
        """Check that patches of this side, px, can be measured.

        Raises:
            ValueError: If they are smaller than the SSIM window.
        """
        blank = torch.zeros(side, side)
        metrics.ssim(blank, blank, data_range=1.0, window=self.ssim_window)

    def ranges(self, target: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the data range of each scaled image and, bool, which images are flat, each (...,)."""
        unit = self.data_range == "unit"
        span = torch.ones(target.shape[:-2]) if unit else metrics.target_range(target, mask)
        flat = span <= FLAT
        return span.where(~flat, 1.0), flat

    def measure(self, pred: Tensor, target: Tensor, prefix: str, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Compute MSE, MAE, PSNR (dB) and SSIM of scaled images (..., H, W), each (...,)."""
        ranges, flat = self.ranges(target, mask)
        psnr = metrics.psnr(pred, target, data_range=ranges, mask=mask)
        ssim = metrics.ssim(pred, target, data_range=ranges, window=self.ssim_window, mask=mask)
        return {
            f"{prefix}_mse": metrics.mse(pred, target, mask=mask),
            f"{prefix}_mae": metrics.mae(pred, target, mask=mask),
            f"{prefix}_psnr_db": psnr.where(~flat, torch.nan),
            f"{prefix}_ssim": ssim.where(~flat, torch.nan),
        }

    def measure_all(
        self, pred: Images, target: Images, scaling: Scaling, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compute all metrics of the amplitude, of the phase as in the papers, and of the phase minus one constant.

        Args:
            pred: predicted physical amplitude and phase, (..., H, W).
            target: true physical amplitude and phase, (..., H, W).
            scaling: scales both to [0, 1], by the same numbers for every network.
            mask: bool (H, W); only True pixels count.
        """
        aligned = metrics.align_phase(pred.phase, target.phase, mask=mask)
        pairs = scaled_pairs(pred, target, aligned, scaling)
        values = {prefix: self.measure(*pair, prefix, mask) for prefix, pair in pairs.items()}
        return {
            **values["amplitude"],
            **values["phase"],
            "phase_wrapped_mae_rad": metrics.wrapped_mae(pred.phase, target.phase, mask=mask),
            **values["phase_aligned"],
            "phase_aligned_wrapped_mae_rad": metrics.wrapped_mae(aligned, target.phase, mask=mask),
        }


def scaled_pairs(pred: Images, target: Images, aligned: Tensor, scaling: Scaling) -> dict[str, tuple[Tensor, Tensor]]:
    """Return predicted and true images, scaled to [0, 1], by the prefix of their metrics.

    Args:
        pred: predicted physical amplitude and phase, (..., H, W).
        target: true physical amplitude and phase, (..., H, W).
        aligned: predicted phase minus one constant per image, (..., H, W), radians; see `metrics.align_phase`.
        scaling: scales both to [0, 1].
    """
    amplitude, phase = scaling.scale_amplitude, scaling.scale_phase
    return {
        "amplitude": (amplitude(pred.amplitude), amplitude(target.amplitude)),
        "phase": (phase(pred.phase), phase(target.phase)),
        "phase_aligned": (phase(aligned), phase(target.phase)),
    }
