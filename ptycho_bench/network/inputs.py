"""Input transforms: diffraction intensity in counts to network input. Each is built from a `Scaling`.

Each transform has `channels`, the number of channels per pattern, and `neighbours`, the number of scan points on each
side that a network sees beside the pattern itself (0: only the pattern; 1: a 3 x 3 neighbourhood; see
`network.neighbours`). Every transform turns an empty pattern into zeros.
"""

from typing import Annotated

import torch
from torch import Tensor, nn

from ptycho_bench.network.scaling import Scaling
from ptycho_bench.physics.bounds import Interval, Neighbours, bounded


class InputTransform(nn.Module):
    """Base class of input transforms.

    Args:
        neighbours: number of scan points on each side that the network also sees, 0 to 5.
        scaling: value ranges of the training part.

    Raises:
        ValueError: If `neighbours` is below 0 or above 5.
    """

    channels = 1

    @bounded
    def __init__(self, *, neighbours: Neighbours, scaling: Scaling) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.scaling = scaling

    @property
    def patterns(self) -> int:
        """Number of patterns in a neighbourhood."""
        return (2 * self.neighbours + 1) ** 2

    @property
    def in_channels(self) -> int:
        """Number of input channels of a network: those of all patterns in the neighbourhood."""
        return self.channels * self.patterns


class Log1pInput(InputTransform):
    """log(1 + counts), as in PPN's text; independent of the training part."""

    def forward(self, intensity: Tensor) -> Tensor:
        """Transform (B, H, W) photons to (B, 1, H, W)."""
        return torch.log1p(intensity).unsqueeze(1)


class StandardisedLog1pInput(InputTransform):
    """log(1 + counts) minus the mean pattern of the training part, divided by the standard deviation of the residual.

    It suits scans whose patterns all resemble that of the bare probe, since the network then sees their differences. A
    missing neighbour, which has no photons, becomes zeros, as if it were the mean pattern.
    """

    def __init__(self, *, neighbours: Neighbours, scaling: Scaling) -> None:
        super().__init__(neighbours=neighbours, scaling=scaling)
        self.register_buffer("mean", scaling.log1p_mean, persistent=False)

    def forward(self, intensity: Tensor) -> Tensor:
        """Transform (B, H, W) photons to (B, 1, H, W)."""
        seen = (torch.log1p(intensity) - self.mean) / self.scaling.log1p_deviation
        return seen.where(intensity.amax(dim=(-2, -1), keepdim=True) > 0, 0.0).unsqueeze(1)


class CountsInput(InputTransform):
    """Unchanged counts (PtychoNN)."""

    def forward(self, intensity: Tensor) -> Tensor:
        """Transform (B, H, W) photons to (B, 1, H, W)."""
        return intensity.unsqueeze(1)


class IntensityInput(InputTransform):
    """Counts divided by the maximum of the training part (released PPN)."""

    def forward(self, intensity: Tensor) -> Tensor:
        """Transform (B, H, W) photons to (B, 1, H, W)."""
        return (intensity / self.scaling.intensity_max).unsqueeze(1)


class SqrtInput(InputTransform):
    """sqrt(counts) divided by that of the maximum of the training part, so that the training input ends at 1."""

    def forward(self, intensity: Tensor) -> Tensor:
        """Transform (B, H, W) photons to (B, 1, H, W)."""
        return (intensity / self.scaling.intensity_max).sqrt().unsqueeze(1)


class SqrtPatternInput(InputTransform):
    """sqrt(counts) of each pattern divided by its own maximum (PtyNet); the number of photons is lost."""

    def forward(self, intensity: Tensor) -> Tensor:
        """Transform (B, H, W) photons to (B, 1, H, W)."""
        largest = intensity.amax(dim=(-2, -1), keepdim=True)
        return (intensity / largest.where(largest > 0, 1.0)).sqrt().unsqueeze(1)


class GainInput(InputTransform):
    """Saturation-aware gains (CPR, Eq. 5); the last channel is the raw pattern divided by the training maximum.

    Each gain gives clip(gain_i I, 0, threshold) with gain_i = threshold headroom base^(g_i - g_1) / I_p99.5. The first
    gain maps the 99.5th percentile to a level below saturation, the others amplify weak fringes.

    Args:
        gains: exponents g_i, rising.
        base: base of the exponents, above 1.
        headroom: level of the percentile after the first gain, as a fraction of the threshold, (0, 1].
        threshold: saturation of the detector, counts.
        neighbours: number of scan points on each side that the network also sees, 0 to 5.
        scaling: value ranges of the training part.

    Raises:
        ValueError: If there is no gain, the gains do not rise, a number is out of bounds, or the 99.5th percentile of
            the training patterns is zero.
    """

    @bounded
    def __init__(
        self,
        *,
        gains: list[Annotated[float, Interval("[-100, 100]")]],
        base: Annotated[float, Interval("(1, 1000]", "CPR uses 2")],
        headroom: Annotated[float, Interval("(0, 1]", "CPR uses 0.85")],
        threshold: Annotated[float, Interval("(0, 1e12]", "a 12-bit detector saturates at 4095")],
        neighbours: Neighbours,
        scaling: Scaling,
    ) -> None:
        super().__init__(neighbours=neighbours, scaling=scaling)
        if not gains or list(gains) != sorted(set(gains)):
            raise ValueError(f"input.gains must be one or more rising exponents, got {list(gains)}; CPR uses [0.001,4]")
        if not scaling.intensity_p995 > 0:
            raise ValueError(
                "dual_gain needs counts in more than 0.5 % of the pixels, but the 99.5th percentile of the training "
                "patterns is 0 counts; use input=log1p"
            )
        self.threshold = float(threshold)  # in ONNX both bounds of a clip have the same type
        first = threshold * headroom / scaling.intensity_p995
        self.register_buffer("gains", torch.tensor([first * base ** (g - gains[0]) for g in gains]), persistent=False)

    @property
    def channels(self) -> int:
        """Number of channels per pattern: one for each gain and one for the raw pattern."""
        return len(self.gains) + 1

    def forward(self, intensity: Tensor) -> Tensor:
        """Transform (B, H, W) photons to (B, gains + 1, H, W)."""
        pattern = intensity.unsqueeze(1)
        amplified = (pattern * self.gains[:, None, None]).clamp(0.0, self.threshold)
        return torch.cat((amplified, pattern / self.scaling.intensity_max), dim=1)
