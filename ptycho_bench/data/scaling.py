"""Numbers that bring physical values to a network's range; from the training part only, kept in the checkpoint."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.sample import PtychoScan

PATTERNS_AT_ONCE = 256
EPS = 1e-12  # of the mean square; a variance below is rounding


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scaling:
    """Ranges of the training part.

    Args:
        amplitude_low: smallest amplitude; becomes 0.
        amplitude_high: largest; becomes 1.
        phase_low: smallest phase, radians.
        phase_high: largest, radians.
        intensity_max: largest intensity, photons.
        intensity_p995: 99.5th percentile of the intensities of all pixels, photons.
        log1p_mean: (H, W), mean of log(1 + counts) over the patterns, pixel by pixel; None: no patterns were seen.
        log1p_deviation: root mean square of what remains of all pixels less that mean; 1 where nothing remains.
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
        """Ranges of the given scan points, the training part."""
        return cls.over([(scan, points)])

    @classmethod
    def over(cls, parts: Sequence[tuple[PtychoScan, np.ndarray]]) -> Self:
        """One range over the given points of several scans, their training parts."""

        def values(name: str) -> np.ndarray:
            return np.concatenate([getattr(scan, name)[points] for scan, points in parts])

        amplitude, phase, intensity = map(values, ("amplitude", "phase", "diffraction"))
        mean, deviation = log1p_statistics(intensity)
        return cls(
            amplitude_low=float(amplitude.min()),
            amplitude_high=float(amplitude.max()),
            phase_low=float(phase.min()),
            phase_high=float(phase.max()),
            intensity_max=float(intensity.max()),
            intensity_p995=float(np.quantile(intensity.ravel(), 0.995, overwrite_input=True)),
            log1p_mean=mean,
            log1p_deviation=deviation,
        )

    @property
    def amplitude_span(self) -> float:
        """High minus low; 1 where the training amplitude is one constant."""
        return self.amplitude_high - self.amplitude_low or 1.0

    @property
    def phase_span(self) -> float:
        """High minus low, radians; 1 where the training phase is one constant."""
        return self.phase_high - self.phase_low or 1.0

    def scale_amplitude(self, amplitude: Tensor) -> Tensor:
        """Physical amplitude to [0, 1] of the training range."""
        return (amplitude - self.amplitude_low) / self.amplitude_span

    def unscale_amplitude(self, scaled: Tensor) -> Tensor:
        """Inverse of `scale_amplitude`."""
        return scaled * self.amplitude_span + self.amplitude_low

    def scale_phase(self, phase: Tensor) -> Tensor:
        """Phase in radians to [0, 1] of the training range."""
        return (phase - self.phase_low) / self.phase_span

    def unscale_phase(self, scaled: Tensor) -> Tensor:
        """Inverse of `scale_phase`, radians."""
        return scaled * self.phase_span + self.phase_low


def log1p_statistics(intensity: np.ndarray) -> tuple[Tensor, float]:
    """Mean pattern of log(1 + counts), float32 (H, W), and the root mean square of what remains; 1 if nothing does.

    Args:
        intensity: (N, H, W), photons.
    """
    total, squares = np.zeros(intensity.shape[1:]), np.zeros(intensity.shape[1:])
    for first in range(0, len(intensity), PATTERNS_AT_ONCE):
        seen = np.log1p(intensity[first : first + PATTERNS_AT_ONCE], dtype=np.float64)
        total += seen.sum(axis=0)
        squares += np.square(seen).sum(axis=0)
    mean = total / len(intensity)
    variance = (squares / len(intensity) - np.square(mean)).mean()
    remains = variance > EPS * np.square(mean).mean()
    return torch.from_numpy(mean.astype(np.float32)), float(np.sqrt(variance)) if remains else 1.0


NEUTRAL = Scaling(  # lets a choice be built, checked and asked for its channels before there is data
    amplitude_low=0.0, amplitude_high=1.0, phase_low=0.0, phase_high=1.0, intensity_max=1.0, intensity_p995=1.0
)
