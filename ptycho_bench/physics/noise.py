"""Detector noise. Each takes a torch.Generator, never the global seed; counts out, clipped at 0."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor


def blend_with_mean(obj_patch: Tensor, coherence: float) -> Tensor:
    """mu O + (1 - mu) E[O] of PPN Eq. 2: what a partly coherent beam sees of each complex (..., H, W) patch."""
    if coherence == 1:
        return obj_patch
    return coherence * obj_patch + (1 - coherence) * obj_patch.mean(dim=(-2, -1), keepdim=True)


@dataclass(frozen=True, kw_only=True)
class NoNoise:
    """The expected intensity itself, photons."""

    coherence: ClassVar[float] = 1.0

    def __call__(self, intensity: Tensor, generator: Generator) -> Tensor:
        return intensity


@dataclass(frozen=True, kw_only=True)
class PPNNoise:
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
class CPRNoise:
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
