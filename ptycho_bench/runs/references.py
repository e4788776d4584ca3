"""Predictors without weights, scored like networks: a network should be better than the mean of its training part."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.config.checkpoint import KEY
from ptycho_bench.config.evaluation import EvaluationSpec
from ptycho_bench.data.frames import Frames
from ptycho_bench.data.scan import PtychoScan, float_tensor
from ptycho_bench.data.store import stream_scan
from ptycho_bench.network.neighbours import neighbourhoods
from ptycho_bench.network.scaling import blocks_at
from ptycho_bench.runs.region import training_points

KEPT_BYTES = 2**30  # training patterns up to this size stay in memory


class Reference:
    """A predictor that takes its patches from the training part; it is used like a `PtychoNetwork`.

    Args:
        scan: scan of the training, with amplitude and phase.
        points: int64 (n,), indices of its training points.
        device: device of the computation and of the predictions.
        valid: bool (H, W), detector pixels that count; None if all do.
    """

    circular = False
    neighbours = 0

    def __init__(self, scan: PtychoScan, points: np.ndarray, *, device: str, valid: Tensor | None = None) -> None:
        scan.require_labels()
        self.scan, self.points, self.device, self.valid = scan, points, torch.device(device), valid

    def predict(self, intensity: Tensor, *, batch_size: int, neighbours: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Predict amplitude and phase (radians), each (n, H, W); see `PtychoNetwork.predict`."""
        batches = neighbourhoods(intensity, neighbours, 1, batch_size)
        parts = [self.patches(batch[:, 0].to(self.device)) for batch in batches]
        amplitude, phase = (torch.cat(part).to(self.device) for part in zip(*parts, strict=True))
        return amplitude, phase

    def patches(self, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """Return amplitude and phase (radians) for patterns (B, H, W), photons, each (B, H, W)."""
        raise NotImplementedError


class TrainingMean(Reference):
    """Predicts one constant amplitude and one constant phase: their means over all pixels of all training patches.

    Args:
        scan: scan of the training, with amplitude and phase.
        points: int64 (n,), indices of its training points.
        options: the keyword arguments of `Reference`.
    """

    def __init__(self, scan: PtychoScan, points: np.ndarray, **options: object) -> None:
        super().__init__(scan, points, **options)
        self.means = tuple(mean_at(frames, points) for frames in (scan.amplitude, scan.phase))

    def patches(self, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """Return constant patches; see `Reference.patches`."""
        amplitude, phase = (torch.full_like(intensity, mean) for mean in self.means)
        return amplitude, phase


class NearestPattern(Reference):
    """Predicts the patch of the training pattern that is nearest to the measured one.

    The distance is that of the square roots of the counts, whose noise is the same everywhere, summed as squares over
    the valid detector pixels. Patterns are not normalised to a common dose.

    Args:
        scan: scan of the training, with amplitude and phase.
        points: int64 (n,), indices of its training points.
        options: the keyword arguments of `Reference`.
    """

    def __init__(self, scan: PtychoScan, points: np.ndarray, **options: object) -> None:
        super().__init__(scan, points, **options)
        size = 4 * len(points) * scan.patch_px**2
        self.kept = list(self.read_patterns()) if size <= KEPT_BYTES else None

    def patches(self, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """Return the patches behind the nearest training patterns; see `Reference.patches`."""
        points = self.points[self.nearest(intensity).cpu().numpy()]
        amplitude, phase = (float_tensor(frames[points]) for frames in (self.scan.amplitude, self.scan.phase))
        return amplitude, phase

    def nearest(self, intensity: Tensor) -> Tensor:
        """Return which training pattern is nearest to each pattern (B, H, W), photons; int64 (B,)."""
        seen = self.vectors(intensity)
        lowest = torch.full((len(seen),), torch.inf, device=self.device)
        nearest, first = torch.zeros(len(seen), dtype=torch.int64, device=self.device), 0
        for block in self.read_patterns() if self.kept is None else self.kept:
            distance = block.square().sum(dim=1) - 2 * seen @ block.T  # squared, without the term of `seen` alone
            smallest, place = distance.min(dim=1)
            nearest = torch.where(smallest < lowest, first + place, nearest)
            lowest, first = torch.minimum(lowest, smallest), first + len(block)
        return nearest

    def read_patterns(self) -> Iterator[Tensor]:
        """Read the training patterns block by block as vectors, see `vectors`."""
        blocks = blocks_at(self.scan.diffraction, self.points)
        return (self.vectors(float_tensor(block).to(self.device)) for block in blocks)

    def vectors(self, intensity: Tensor) -> Tensor:
        """Return the square roots of the valid pixels of patterns (B, H, W), float32 (B, pixels)."""
        return (
            (intensity.flatten(1) if self.valid is None else intensity[:, self.valid.to(self.device)])
            .clamp(min=0)
            .sqrt()
        )


REFERENCES = {"training_mean": TrainingMean, "nearest_pattern": NearestPattern}


def mean_at(frames: Frames, points: np.ndarray) -> float:
    """Return the mean over all pixels of the frames at some points, which are read block by block."""
    total = sum(block.sum(dtype=np.float64) for block in blocks_at(frames, points))
    return float(total / (len(points) * np.prod(frames.shape[1:])))


def reference_for(spec: EvaluationSpec, scan: PtychoScan) -> Reference:
    """Return the reference predictor of an evaluation.

    If the evaluated scan was part of the training, its own training points are used, even if there were several scans.

    Args:
        spec: settings of the evaluation; `predictor` is one of `REFERENCES`.
        scan: the evaluated scan.

    Raises:
        ValueError: If the scan of the training is not available.
        DataError: If it cannot be used.
    """
    training, tested = scan_of_training(spec, scan)
    masks = [mask for mask in (scan.valid_pixels(), training.valid_pixels()) if mask is not None]
    return REFERENCES[spec.predictor](
        training,
        training_points(training, tested),
        device=spec.device,
        valid=torch.stack(masks).all(dim=0) if masks else None,
    )


def scan_of_training(spec: EvaluationSpec, scan: PtychoScan) -> tuple[PtychoScan, Mapping]:
    """Return a scan that the network was trained on, the evaluated one if possible, and what the checkpoint says of it.

    Raises:
        ValueError: If it is another scan, which the checkpoint does not describe completely.
    """
    stored = spec.checkpoint[KEY]["test"]
    for tested in stored:
        if tested["content_hash"] == scan.content_hash:
            return scan, tested
    if spec.training_scan is None:
        raise ValueError(
            f"predictor={spec.predictor} needs the scan that the network was trained on, which this checkpoint does "
            f"not describe; score that scan, {' or '.join(one['words'] for one in stored)}, or use predictor=network"
        )
    training = spec.training_scan.load(stream_scan, lambda line: print(line, flush=True))
    if training.content_hash != stored[0]["content_hash"]:
        words = spec.training_scan.words
        print(f"note: {words}, simulated again, differs from the scan that the network was trained on")
    return training, stored[0]
