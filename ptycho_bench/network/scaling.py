"""Value ranges that scale physical values for a network, taken from the training part and kept in the checkpoint."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.frames import Frames, frames_per_block
from ptycho_bench.data.scan import PtychoScan
from ptycho_bench.network.quantile import quantile

PATTERNS_AT_ONCE = 256
EPS = 1e-12  # relative to the mean square; a variance below it is rounding


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scaling:
    """Value ranges of a scan's training part, or of all its points.

    Args:
        amplitude_low: smallest amplitude, which is scaled to 0.
        amplitude_high: largest amplitude, which is scaled to 1.
        phase_low: smallest phase, radians, which is scaled to 0.
        phase_high: largest phase, radians, which is scaled to 1.
        intensity_max: largest intensity, photons.
        intensity_p995: 99.5th percentile of the intensities of all pixels, photons.
        log1p_mean: (H, W), mean of log(1 + counts) over the patterns for each pixel; None if there were no patterns.
        log1p_deviation: root mean square of log(1 + counts) minus that mean over all pixels; 1 if it is zero.
    """

    amplitude_low: float
    amplitude_high: float
    phase_low: float
    phase_high: float
    intensity_max: float
    intensity_p995: float
    log1p_mean: Tensor | None = dataclasses.field(default=None, compare=False)
    log1p_deviation: float = 1.0

    @classmethod
    def of(cls, scan: PtychoScan, points: np.ndarray) -> Self:
        """Return the ranges of the given scan points."""
        return cls.over([(scan, points)])

    @classmethod
    def over(cls, parts: Sequence[tuple[PtychoScan, np.ndarray]]) -> Self:
        """Return the joint ranges of the training points of several scans, which are read block by block."""

        def blocks(name: str) -> Iterator[np.ndarray]:
            return chain.from_iterable(blocks_at(getattr(scan, name), points) for scan, points in parts)

        amplitude_low, amplitude_high = extent(blocks("amplitude"))
        phase_low, phase_high = extent(blocks("phase"))
        patterns = PatternStatistics(blocks("diffraction"))
        mean, deviation = patterns.log1p()
        return cls(
            amplitude_low=amplitude_low,
            amplitude_high=amplitude_high,
            phase_low=phase_low,
            phase_high=phase_high,
            intensity_max=patterns.largest,
            intensity_p995=quantile(lambda: blocks("diffraction"), patterns.pixels, 0.995),
            log1p_mean=mean,
            log1p_deviation=deviation,
        )

    @property
    def amplitude_span(self) -> float:
        """High minus low; 1 if the training amplitude is constant."""
        return self.amplitude_high - self.amplitude_low or 1.0

    @property
    def phase_span(self) -> float:
        """High minus low, radians; 1 if the training phase is constant."""
        return self.phase_high - self.phase_low or 1.0

    def scale_amplitude(self, amplitude: Tensor) -> Tensor:
        """Scale physical amplitude so that the training range becomes [0, 1]."""
        return (amplitude - self.amplitude_low) / self.amplitude_span

    def unscale_amplitude(self, scaled: Tensor) -> Tensor:
        """Inverse of `scale_amplitude`."""
        return scaled * self.amplitude_span + self.amplitude_low

    def scale_phase(self, phase: Tensor) -> Tensor:
        """Scale phase in radians so that the training range becomes [0, 1]."""
        return (phase - self.phase_low) / self.phase_span

    def unscale_phase(self, scaled: Tensor) -> Tensor:
        """Inverse of `scale_phase`; radians."""
        return scaled * self.phase_span + self.phase_low


def blocks_at(frames: Frames, points: np.ndarray | slice) -> Iterator[np.ndarray]:
    """Yield the frames at some points, (n, H, W), few enough at a time to convert them to float64."""
    points = np.arange(len(frames))[points]
    step = min(PATTERNS_AT_ONCE, frames_per_block(frames.shape, np.float64))
    return (frames[points[first : first + step]] for first in range(0, len(points), step))


def extent(blocks: Iterable[np.ndarray]) -> tuple[float, float]:
    """Return the smallest and the largest value."""
    low, high = zip(*((block.min(), block.max()) for block in blocks), strict=True)
    return float(min(low)), float(max(high))


class PatternStatistics:
    """Largest value, number of pixels, and mean and deviation of log(1 + counts) of diffraction patterns.

    Args:
        blocks: arrays (n, H, W), photons; read once.
    """

    def __init__(self, blocks: Iterable[np.ndarray]) -> None:
        self.patterns, self.pixels, self.largest = 0, 0, 0.0
        self.total = self.squares = 0.0
        for block in blocks:
            seen = np.log1p(block, dtype=np.float64)
            self.total = self.total + seen.sum(axis=0)
            self.squares = self.squares + np.square(seen).sum(axis=0)
            self.patterns += len(block)
            self.pixels += block.size
            self.largest = max(self.largest, float(block.max()))

    def log1p(self) -> tuple[Tensor, float]:
        """Return the mean pattern of log(1 + counts), float32 (H, W), and the root mean square of the residual, or 1 if
        it is zero."""
        mean = self.total / self.patterns
        variance = (self.squares / self.patterns - np.square(mean)).mean()
        remains = variance > EPS * np.square(mean).mean()
        return torch.from_numpy(mean.astype(np.float32)), float(np.sqrt(variance)) if remains else 1.0


NEUTRAL = Scaling(  # for building and checking transforms and representations before there is data
    amplitude_low=0.0, amplitude_high=1.0, phase_low=0.0, phase_high=1.0, intensity_max=1.0, intensity_p995=1.0
)
