"""Metrics of predicted patches, one by one and stitched to a field, the same for networks and solvers."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_bench.evaluation import metrics
from ptycho_bench.evaluation.stitch import central_weight, radial_weight, scored_rectangle, stitch, stitch_phase
from ptycho_bench.network.scaling import Scaling

FLAT = 1e-5  # data range of a flat image: the modulus of a complex64 constant varies by rounding


@dataclass(frozen=True, kw_only=True)
class MetricProtocol:
    """Conventions by which metrics are computed, one of conf/metrics.

    Args:
        data_range: `unit` is 1, the range of scaled images (PPN). `target` is max - min of each target (CPR); flat
            patches then have no PSNR and SSIM and are counted as skipped.
        ssim_window: `gaussian` or `uniform`, see `metrics.ssim`.
        stitch_weight: `radial` or `central`, see `evaluation.stitch`.
        central_px: side of the central square, px; used only by `central`.

    Raises:
        ValueError: If a choice is unknown, or if `central` has no central_px.
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
            raise ValueError("metrics.central_px must be set if stitch_weight is central, got null")

    def check(self, side: int) -> None:
        """Check that patches of this side, px, can be measured.

        Raises:
            ValueError: If they are smaller than the SSIM window or the central square.
        """
        self.weight(side)
        blank = torch.zeros(side, side)
        metrics.ssim(blank, blank, data_range=1.0, window=self.ssim_window)

    def weight(self, side: int) -> Tensor:
        """Return the weight (side, side) of a patch in the stitched field."""
        return radial_weight(side) if self.stitch_weight == "radial" else central_weight(side, self.central_px)

    def measure(self, pred: Tensor, target: Tensor, prefix: str, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Compute MSE, MAE, PSNR (dB) and SSIM of scaled images (..., H, W), each (...,)."""
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
        """Compute all metrics of the amplitude, of the phase as in the papers, and of the phase minus one constant.

        Args:
            pred: predicted physical amplitude and phase, (..., H, W).
            target: true physical amplitude and phase, (..., H, W).
            scaling: scales both to [0, 1], by the same numbers for every network.
            mask: bool (H, W); only True pixels count.
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
    """Result of an evaluation.

    patches: values of each metric by its name, (N,), one per patch.
    stitched: value of each metric by its name, for the stitched field.
    field: predicted field on the scored rectangle.
    truth: true field, stitched in the same way.
    covered: bool (rows, columns), pixels of the rectangle that at least one patch covers.
    """

    patches: dict[str, Tensor]
    stitched: dict[str, float]
    field: Images
    truth: Images
    covered: Tensor

    def aggregate(self) -> dict[str, dict[str, float]]:
        """Return the mean, standard deviation and number of skipped patches of each metric, and the stitched values.

        The keys are `patch_mean` and `patch_std` (over patches that have a value), `patch_skipped` and `stitched`.
        """
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
    """Measure predicted patches one by one, and stitched to a field.

    Args:
        pred: predicted physical amplitude and phase, (N, H, W).
        target: true physical amplitude and phase, (N, H, W).
        positions_px: (N, 2), top-left (y, x) of each patch.
        scaling: value ranges of the training part.
        protocol: conventions by which metrics are computed.
        circular: whether phases are averaged as unit vectors.

    Raises:
        ValueError: If a prediction is not finite; its metrics would look like those of flat patches.
    """
    finite = torch.stack([image.isfinite().flatten(1).all(dim=1) for image in pred]).all(dim=0)
    if not finite.all():
        raise ValueError(
            f"{int((~finite).sum())} of {len(finite)} predicted patches contain NaN or infinite values; the "
            "training diverged: lower the learning rate"
        )
    side = pred.amplitude.shape[-1]
    weight = protocol.weight(side)
    smallest_px = metrics.GAUSSIAN_SIDE
    fields = []
    for images in (pred, target):
        amplitude, covered = stitch(images.amplitude, positions_px, weight)
        phase, _ = stitch_phase(images.phase, positions_px, weight, circular=circular)
        window = scored_rectangle(tuple(amplitude.shape), side, smallest_px)
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
