"""Detector noise models: expected intensity to counts, clipped at 0, drawn from a given torch.Generator."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Generator, Tensor

from ptycho_bench.physics.bounds import Index, Interval, NonNegative, Seed, Share, bounded


def blend_with_mean(obj_patch: Tensor, coherence: float) -> Tensor:
    """Blend each complex (..., H, W) patch with its mean: mu O + (1 - mu) E[O], PPN Eq. 2."""
    if coherence == 1:
        return obj_patch
    return coherence * obj_patch + (1 - coherence) * obj_patch.mean(dim=(-2, -1), keepdim=True)


class BadPixels(NamedTuple):
    """Masks of the pixels that carry no information, the same in each pattern; both bool (H, W)."""

    dead: Tensor
    hot: Tensor


class PerfectPixels:
    """Base class of detectors that have no bad pixels and whose readings need not be whole numbers."""

    stored_as: ClassVar[str] = "float32"

    def bad_pixels(self, shape: tuple[int, int]) -> BadPixels:
        """Return empty masks of the (H, W) pixels."""
        return BadPixels(*torch.zeros(2, *shape, dtype=torch.bool))


@dataclass(frozen=True, kw_only=True)
class NoNoise(PerfectPixels):
    """No noise: returns the expected intensity, photons."""

    coherence: ClassVar[float] = 1.0

    def __call__(self, intensity: Tensor, generator: Generator) -> Tensor:
        return intensity


@bounded
@dataclass(frozen=True, kw_only=True)
class PPNNoise(PerfectPixels):
    """Noise of PPN Eq. 2: Poisson(eta I) + N(0, sigma^2), clipped at 0.

    Args:
        efficiency: detector efficiency eta, [0, 1].
        coherence: degree of coherence mu, [0, 1]; 1 is a fully coherent beam.
        readout_counts: standard deviation sigma of the read-out noise, counts.
    """

    efficiency: Share
    coherence: Share
    readout_counts: NonNegative

    def __call__(self, intensity: Tensor, generator: Generator) -> Tensor:
        counts = torch.poisson(self.efficiency * intensity, generator=generator)
        readout = torch.randn(counts.shape, generator=generator, device=counts.device, dtype=counts.dtype)
        return (counts + self.readout_counts * readout).clamp(min=0)


@bounded
@dataclass(frozen=True, kw_only=True)
class CPRNoise(PerfectPixels):
    """Noise of the circular-phase paper: N(0, sigma) is added to the intensity, clipped at 0, then photons are counted.

    Args:
        sigma_counts: standard deviation of the added Gaussian noise, counts.
    """

    sigma_counts: NonNegative
    coherence: ClassVar[float] = 1.0

    def __call__(self, intensity: Tensor, generator: Generator) -> Tensor:
        shift = torch.randn(intensity.shape, generator=generator, device=intensity.device, dtype=intensity.dtype)
        return torch.poisson((intensity + self.sigma_counts * shift).clamp(min=0), generator=generator)


@bounded
@dataclass(frozen=True, kw_only=True)
class DetectorNoise:
    """Counting detector: Poisson(eta I), clipped at saturation; dead pixels always read 0, hot pixels always saturate.

    Args:
        efficiency: detector efficiency eta, [0, 1].
        saturation_counts: largest reading, for example 4095 for a 12-bit counter; at most 65535.
        dead_pixels: number of pixels that read 0.
        hot_pixels: number of pixels that read saturation_counts.
        pixel_seed: seed of the positions of both, which belong to the detector and not to one measurement.
    """

    efficiency: Share
    saturation_counts: Annotated[int, Interval("[1, 65535]", "a 12-bit counter reaches 4095")]
    dead_pixels: Index
    hot_pixels: Index
    pixel_seed: Seed
    coherence: ClassVar[float] = 1.0
    stored_as: ClassVar[str] = "uint16"

    def bad_pixels(self, shape: tuple[int, int]) -> BadPixels:
        """Return which of the (H, W) pixels are dead and which are hot.

        Raises:
            ValueError: If there are more bad pixels than pixels.
        """
        count, bad = math.prod(shape), self.dead_pixels + self.hot_pixels
        if bad > count:
            raise ValueError(f"dead_pixels + hot_pixels must be at most {count}, the number of pixels, got {bad}")
        indices = torch.randperm(count, generator=Generator().manual_seed(self.pixel_seed))[:bad]
        masks = torch.zeros(2, count, dtype=torch.bool)
        masks[0, indices[: self.dead_pixels]] = True
        masks[1, indices[self.dead_pixels :]] = True
        return BadPixels(*masks.view(2, *shape))

    def __call__(self, intensity: Tensor, generator: Generator) -> Tensor:
        counts = torch.poisson(self.efficiency * intensity, generator=generator).clamp_(max=self.saturation_counts)
        dead, hot = (pixels.to(counts.device) for pixels in self.bad_pixels(tuple(intensity.shape[-2:])))
        return counts.masked_fill_(dead, 0).masked_fill_(hot, self.saturation_counts)
