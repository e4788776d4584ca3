"""Detector noise. Each takes a torch.Generator, never the global seed; counts out, clipped at 0."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Generator, Tensor


def blend_with_mean(obj_patch: Tensor, coherence: float) -> Tensor:
    """mu O + (1 - mu) E[O] of PPN Eq. 2: what a partly coherent beam sees of each complex (..., H, W) patch."""
    if coherence == 1:
        return obj_patch
    return coherence * obj_patch + (1 - coherence) * obj_patch.mean(dim=(-2, -1), keepdim=True)


class BadPixels(NamedTuple):
    """Pixels that tell nothing of the intensity, the same ones in each pattern; both bool (H, W)."""

    dead: Tensor
    hot: Tensor


class PerfectPixels:
    """Of a detector without bad pixels, whose readings need not be whole."""

    stored_as: ClassVar[str] = "float32"

    def bad_pixels(self, shape: tuple[int, int]) -> BadPixels:
        """None of the (H, W) pixels."""
        return BadPixels(*torch.zeros(2, *shape, dtype=torch.bool))


@dataclass(frozen=True, kw_only=True)
class NoNoise(PerfectPixels):
    """The expected intensity itself, photons."""

    coherence: ClassVar[float] = 1.0

    def __call__(self, intensity: Tensor, generator: Generator) -> Tensor:
        return intensity


@dataclass(frozen=True, kw_only=True)
class PPNNoise(PerfectPixels):
    """PPN Eq. 2: Poisson(eta I) + N(0, sigma^2), clipped at 0.

    Args:
        efficiency: detector efficiency eta, [0, 1].
        coherence: mu, [0, 1]; 1 is a fully coherent beam.
        readout_counts: standard deviation sigma of the read-out noise, counts.
    """

    efficiency: float
    coherence: float
    readout_counts: float

    def __post_init__(self) -> None:
        for name in ("efficiency", "coherence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}; 50 % is written 0.5")
        if self.readout_counts < 0:
            raise ValueError(f"readout_counts must be at least 0, got {self.readout_counts}")

    def __call__(self, intensity: Tensor, generator: Generator) -> Tensor:
        counts = torch.poisson(self.efficiency * intensity, generator=generator)
        readout = torch.randn(counts.shape, generator=generator, device=counts.device, dtype=counts.dtype)
        return (counts + self.readout_counts * readout).clamp(min=0)


@dataclass(frozen=True, kw_only=True)
class CPRNoise(PerfectPixels):
    """Circular-phase paper: N(0, sigma) added to the intensity, clipped at 0, then photon counting.

    Args:
        sigma_counts: standard deviation of the first term, counts.
    """

    sigma_counts: float
    coherence: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.sigma_counts < 0:
            raise ValueError(f"sigma_counts must be at least 0, got {self.sigma_counts}")

    def __call__(self, intensity: Tensor, generator: Generator) -> Tensor:
        shift = torch.randn(intensity.shape, generator=generator, device=intensity.device, dtype=intensity.dtype)
        return torch.poisson((intensity + self.sigma_counts * shift).clamp(min=0), generator=generator)


@dataclass(frozen=True, kw_only=True)
class DetectorNoise:
    """A counting detector: Poisson(eta I), cut off where the counter is full; some pixels read 0 or full at all times.

    Args:
        efficiency: detector efficiency eta, [0, 1].
        saturation_counts: largest reading: 4095 of a 12-bit counter; at most 65535.
        dead_pixels: number of pixels that read 0.
        hot_pixels: number of pixels that read saturation_counts.
        pixel_seed: of the places of both: they belong to the detector, not to one measurement.
    """

    efficiency: float
    saturation_counts: int
    dead_pixels: int
    hot_pixels: int
    pixel_seed: int
    coherence: ClassVar[float] = 1.0
    stored_as: ClassVar[str] = "uint16"

    def __post_init__(self) -> None:
        if not 0 <= self.efficiency <= 1:
            raise ValueError(f"efficiency must lie in [0, 1], got {self.efficiency}; 50 % is written 0.5")
        if not 1 <= self.saturation_counts <= 65535:
            raise ValueError(
                f"saturation_counts must lie in [1, 65535], got {self.saturation_counts}; 12 bits reach 4095"
            )
        for name in ("dead_pixels", "hot_pixels"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")

    def bad_pixels(self, shape: tuple[int, int]) -> BadPixels:
        """Which of the (H, W) pixels are dead, and which are hot.

        Raises:
            ValueError: fewer pixels than are to be bad.
        """
        count, bad = math.prod(shape), self.dead_pixels + self.hot_pixels
        if bad > count:
            raise ValueError(f"dead_pixels + hot_pixels must be at most {count}, the detector's pixels, got {bad}")
        places = torch.randperm(count, generator=Generator().manual_seed(self.pixel_seed))[:bad]
        flags = torch.zeros(2, count, dtype=torch.bool)
        flags[0, places[: self.dead_pixels]] = True
        flags[1, places[self.dead_pixels :]] = True
        return BadPixels(*flags.view(2, *shape))

    def __call__(self, intensity: Tensor, generator: Generator) -> Tensor:
        counts = torch.poisson(self.efficiency * intensity, generator=generator).clamp_(max=self.saturation_counts)
        dead, hot = (pixels.to(counts.device) for pixels in self.bad_pixels(tuple(intensity.shape[-2:])))
        return counts.masked_fill_(dead, 0).masked_fill_(hot, self.saturation_counts)
