"""Predicted patches to an object to metrics, in one call; the same for networks and solvers."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_bench.evaluation import metrics
from ptycho_bench.evaluation.stitch import central_weight, radial_weight, scored_rectangle, stitch, stitch_phase
from ptycho_bench.network.scaling import Scaling

FLAT = 1e-5  # of the scaled range: the modulus of a complex64 constant varies by rounding alone


@dataclass(frozen=True, kw_only=True)
class MetricProtocol:
    """How metrics are taken; each named choice in conf/metrics is one of these.

    Args:
        data_range: `unit`: 1, the range of scaled images (PPN); `target`: max - min of each target (CPR), where flat
            patches have no PSNR and SSIM and are counted as skipped.
        ssim_window: gaussian or uniform, see `metrics.ssim`.
        stitch_weight: radial or central, see `evaluation.stitch`.
        central_px: side of the central square; used by `central`.
    """

    data_range: str
    ssim_window: str
    stitch_weight: str
    central_px: int | None

    def __post_init__(self) -> None:
        choices = {"data_range": ("unit", "target"), "ssim_window": ("gaussian", "uniform")}
        choices["stitch_weight"] = ("radial", "central")
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"metrics.{name} must be {' or '.join(allowed)}, got {getattr(self, name)!r}")
        if self.stitch_weight == "central" and self.central_px is None:
            raise ValueError("metrics.central_px must be set where stitch_weight is central, got null")

    def check(self, side: int) -> None:
        """Raise ValueError where patches of this side, px, cannot be measured this way."""
        self.weight(side)
        blank = torch.zeros(side, side)
        metrics.ssim(blank, blank, data_range=1.0, window=self.ssim_window)

    def weight(self, side: int) -> Tensor:
        """Weight (side, side) of a patch in the stitched field."""
        return radial_weight(side) if self.stitch_weight == "radial" else central_weight(side, self.central_px)

    def measure(self, pred: Tensor, target: Tensor, prefix: str, mask: Tensor | None = None) -> dict[str, Tensor]:
        """MSE, MAE, PSNR (dB), SSIM of scaled images (..., H, W), each (...,)."""
        span = metrics.target_range(target, mask) if self.data_range == "target" else torch.ones(target.shape[:-2])
        flat = span <= FLAT
        ranges = span.where(~flat, 1.0)
        psnr = metrics.psnr(pred, target, data_range=ranges, mask=mask)
        ssim = metrics.ssim(pred, target, data_range=ranges, window=self.ssim_window, mask=mask)
        return {
            f"{prefix}_mse": metrics.mse(pred, target, mask=mask),
            f"{prefix}_mae": metrics.mae(pred, target, mask=mask),
            f"{prefix}_psnr_db": psnr.where(~flat, torch.nan),
            f"{prefix}_ssim": ssim.where(~flat, torch.nan),
        }

    def measure_all(
        self, pred: "Images", target: "Images", scaling: Scaling, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Every metric of amplitude, of phase as the papers take it, and of phase less one constant per image.

        Args:
            pred: physical amplitude and phase, (..., H, W).
            target: likewise.
            scaling: brings both to [0, 1], the same numbers for every network.
            mask: True pixels count.
        """
        aligned = metrics.align_phase(pred.phase, target.phase, mask=mask)
        amplitude, phase = scaling.scale_amplitude, scaling.scale_phase
        return {
            **self.measure(amplitude(pred.amplitude), amplitude(target.amplitude), "amplitude", mask),
            **self.measure(phase(pred.phase), phase(target.phase), "phase", mask),
            "phase_wrapped_mae_rad": metrics.wrapped_mae(pred.phase, target.phase, mask=mask),
            **self.measure(phase(aligned), phase(target.phase), "phase_aligned", mask),
            "phase_aligned_wrapped_mae_rad": metrics.wrapped_mae(aligned, target.phase, mask=mask),
        }


class Images(NamedTuple):
    """Physical amplitude and phase (radians), both (..., H, W)."""

    amplitude: Tensor
    phase: Tensor


class Evaluation(NamedTuple):
    """What an evaluation yields.

    patches: metric name to (N,), one value a patch.
    stitched: metric name to one value for the field.
    field: predicted field on the scored rectangle.
    truth: true field, stitched the same way.
    covered: bool, pixels of the rectangle some patch covers.
    """

    patches: dict[str, Tensor]
    stitched: dict[str, float]
    field: Images
    truth: Images
    covered: Tensor

    def summary(self) -> dict[str, dict[str, float]]:
        """`patch_mean`, `patch_std` (over patches that have a value), `patch_skipped` (count), `stitched`."""
        valid = {name: values[~values.isnan()].double() for name, values in self.patches.items()}
        return {
            "patch_mean": {name: v.mean().item() if len(v) else math.nan for name, v in valid.items()},
            "patch_std": {name: v.std(correction=0).item() if len(v) else math.nan for name, v in valid.items()},
            "patch_skipped": {name: len(self.patches[name]) - len(v) for name, v in valid.items()},
            "stitched": self.stitched,
        }


def evaluate(
    pred: Images, target: Images, positions_px: Tensor, *, scaling: Scaling, protocol: MetricProtocol, circular: bool
) -> Evaluation:
    """Score predicted patches one by one, and stitched.

    Args:
        pred: physical amplitude and phase, (N, H, W).
        target: likewise, the truth.
        positions_px: (N, 2), top-left (y, x).
        scaling: the training part's ranges.
        protocol: how metrics are taken.
        circular: average phases as unit vectors.

    Raises:
        ValueError: a prediction that is not finite; its metrics would pass for those of flat patches.
    """
    finite = torch.stack([image.isfinite().flatten(1).all(dim=1) for image in pred]).all(dim=0)
    if not finite.all():
        raise ValueError(
            f"{int((~finite).sum())} of {len(finite)} predicted patches hold NaN or infinite values; the training "
            "diverged: lower the learning rate"
        )
    side = pred.amplitude.shape[-1]
    weight = protocol.weight(side)
    smallest = metrics.GAUSSIAN_SIDE
    fields = []
    for images in (pred, target):
        amplitude, covered = stitch(images.amplitude, positions_px, weight)
        phase, _ = stitch_phase(images.phase, positions_px, weight, circular=circular)
        window = scored_rectangle(tuple(amplitude.shape), side, smallest)
        fields.append(Images(amplitude[window], phase[window]))
        covered = covered[window]
    mask = None if covered.all() else covered
    stitched = protocol.measure_all(fields[0], fields[1], scaling, mask)
    return Evaluation(
        patches=protocol.measure_all(pred, target, scaling),
        stitched={name: value.item() for name, value in stitched.items()},
        field=fields[0],
        truth=fields[1],
        covered=covered,
    )
