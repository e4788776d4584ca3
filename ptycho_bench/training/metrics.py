"""Validation metrics as `torchmetrics` classes: means over all images of an epoch and over all processes.

The values per image are those of `evaluation.metrics` with a data range of 1. SSIM in particular is this project's own,
not torchmetrics', so that training and evaluation use the same definition.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from ptycho_bench.evaluation import metrics
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import Prediction, Target

PREFIX = "val_"


class ImagePair(NamedTuple):
    """Predicted and true images, each (N, H, W)."""

    pred: Tensor
    target: Tensor


class ComparedImages(NamedTuple):
    """Predicted and true images of one batch, in every form that a metric needs.

    amplitude: amplitude scaled to [0, 1] by the training range.
    phase: phase scaled to [0, 1] by the training range.
    phase_aligned: scaled phase after one constant per image has been removed from the prediction.
    phase_rad: phase, radians.
    phase_aligned_rad: phase after one constant per image has been removed from the prediction, radians.
    """

    amplitude: ImagePair
    phase: ImagePair
    phase_aligned: ImagePair
    phase_rad: ImagePair
    phase_aligned_rad: ImagePair


def compare(network: PtychoNetwork, pred: Prediction, target: Target) -> ComparedImages:
    """Decode a prediction and its target with a network's own representations and scale both with its scaling."""
    amplitude, phase = network.decode(pred.amplitude, pred.phase)
    true_amplitude, true_phase = network.decode(target.amplitude, target.phase)
    aligned = metrics.align_phase(phase, true_phase)
    scale_amplitude, scale_phase = network.scaling.scale_amplitude, network.scaling.scale_phase
    return ComparedImages(
        amplitude=ImagePair(scale_amplitude(amplitude), scale_amplitude(true_amplitude)),
        phase=ImagePair(scale_phase(phase), scale_phase(true_phase)),
        phase_aligned=ImagePair(scale_phase(aligned), scale_phase(true_phase)),
        phase_rad=ImagePair(phase, true_phase),
        phase_aligned_rad=ImagePair(aligned, true_phase),
    )


def compare_by_scan(networks: Sequence[PtychoNetwork], pred: Prediction, target: Target) -> ComparedImages:
    """Apply `compare` to each sample with the network of its own scan.

    Args:
        networks: for each scan, the network whose representations and scaling its samples were encoded with.
        pred: prediction for a batch.
        target: target of the same batch; its `scan` is used if the scans have different scalings.
    """
    images = compare(networks[0], pred, target)
    for number, network in enumerate(networks[1:], start=1):
        if network.scaling == networks[0].scaling:
            continue
        own = (target.scan == number)[:, None, None]
        other = compare(network, pred, target)
        images = ComparedImages(
            *(
                ImagePair(torch.where(own, new.pred, old.pred), torch.where(own, new.target, old.target))
                for new, old in zip(other, images, strict=True)
            )
        )
    return images


class ImageMetric(Metric):
    """Weighted mean of one value per image.

    Args:
        form: field of `ComparedImages` to measure.
    """

    full_state_update = False
    is_differentiable = False
    total: Tensor
    weight: Tensor

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("weight", torch.tensor(0.0), dist_reduce_fx="sum")

    def per_image(self, pred: Tensor, target: Tensor) -> Tensor:
        """Value of each image, (N,)."""
        raise NotImplementedError

    def update(self, images: ComparedImages, weight: float = 1.0) -> None:
        """Add a batch.

        Args:
            images: predicted and true images.
            weight: weight of each image; 0 if this process only takes part in the step.
        """
        if not weight:  # the PSNR of equal images is infinite, and 0 times infinity is NaN
            return
        values = self.per_image(*getattr(images, self.form))
        self.total = self.total + weight * values.sum()
        self.weight = self.weight + weight * len(values)

    def compute(self) -> Tensor:
        return self.total / self.weight


class MeanSquaredError(ImageMetric):
    """Mean squared error."""

    higher_is_better = False

    def per_image(self, pred: Tensor, target: Tensor) -> Tensor:
        return metrics.mse(pred, target)


class MeanAbsoluteError(ImageMetric):
    """Mean absolute error."""

    higher_is_better = False

    def per_image(self, pred: Tensor, target: Tensor) -> Tensor:
        return metrics.mae(pred, target)


class WrappedMeanAbsoluteError(ImageMetric):
    """Mean absolute phase difference on the circle, radians."""

    higher_is_better = False

    def per_image(self, pred: Tensor, target: Tensor) -> Tensor:
        return metrics.wrapped_mae(pred, target)


class PeakSignalNoiseRatio(ImageMetric):
    """Peak signal-to-noise ratio of scaled images, dB."""

    higher_is_better = True

    def per_image(self, pred: Tensor, target: Tensor) -> Tensor:
        return metrics.psnr(pred, target, data_range=1.0)


class StructuralSimilarity(ImageMetric):
    """Structural similarity of scaled images.

    Args:
        form: field of `ComparedImages` to measure.
        window: gaussian or uniform, see `evaluation.metrics.ssim`.
    """

    higher_is_better = True

    def __init__(self, form: str, window: str) -> None:
        super().__init__(form)
        self.window = window

    def per_image(self, pred: Tensor, target: Tensor) -> Tensor:
        return metrics.ssim(pred, target, data_range=1.0, window=self.window)


def validation_metrics(ssim_window: str) -> MetricCollection:
    """Build the metrics of a validation epoch, named as in the results of an evaluation, with the prefix `val_`.

    Args:
        ssim_window: gaussian or uniform, see `evaluation.metrics.ssim`.
    """
    members: dict[str, Metric] = {}
    for form in ("amplitude", "phase"):
        members[f"{form}_mse"] = MeanSquaredError(form)
        members[f"{form}_mae"] = MeanAbsoluteError(form)
        members[f"{form}_psnr_db"] = PeakSignalNoiseRatio(form)
        members[f"{form}_ssim"] = StructuralSimilarity(form, ssim_window)
    members["phase_wrapped_mae_rad"] = WrappedMeanAbsoluteError("phase_rad")
    members["phase_aligned_psnr_db"] = PeakSignalNoiseRatio("phase_aligned")
    members["phase_aligned_wrapped_mae_rad"] = WrappedMeanAbsoluteError("phase_aligned_rad")
    # compute groups would read the device and merge metrics whose first values happen to be equal
    return MetricCollection(members, prefix=PREFIX, compute_groups=False)


class LossTermMeans(Metric):
    """Mean of each named term of a loss, weighted by samples."""

    full_state_update = False
    is_differentiable = False
    higher_is_better = False
    sums: Tensor
    samples: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.names: tuple[str, ...] = ()
        self.add_state("sums", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("samples", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, terms: dict[str, Tensor], samples: float) -> None:
        """Add a batch.

        Args:
            terms: mean of each term over the batch, scalars; every batch has the same names.
            samples: number of samples in the batch; 0 if this process only takes part in the step.
        """
        self.names = tuple(terms)
        self.sums = self.sums + samples * torch.stack([value.detach() for value in terms.values()])
        self.samples = self.samples + samples

    def compute(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.sums / self.samples, strict=True))
