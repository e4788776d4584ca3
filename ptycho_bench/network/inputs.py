"""Input transforms: diffraction intensity in counts to what a network sees. Each is built from a `Scaling`.

Each has `channels`, of one pattern, and `neighbours`: how many scan points on each side are seen beside the pattern
itself (0: it alone; 1: a 3 x 3 neighbourhood; see `network.neighbours`). An empty pattern becomes zeros in all of them.
"""

import torch
from torch import Tensor, nn

from ptycho_bench.network.scaling import Scaling


class InputTransform(nn.Module):
    """What all have in common.

    Args:
        neighbours: scan points on each side that are seen too, 0 or more.
        scaling: the training part's ranges; the CLI passes it.

    Raises:
        ValueError: fewer than 0 neighbours.
    """

    channels = 1

    def __init__(self, *, neighbours: int, scaling: Scaling) -> None:
        super().__init__()
        if neighbours < 0:
            raise ValueError(f"input.neighbours must be at least 0, got {neighbours}; 1 is a 3 x 3 neighbourhood")
        self.neighbours = neighbours
        self.scaling = scaling

    @property
    def patterns(self) -> int:
        """Patterns of a neighbourhood."""
        return (2 * self.neighbours + 1) ** 2

    @property
    def in_channels(self) -> int:
        """Channels a network sees: those of every pattern of the neighbourhood."""
        return self.channels * self.patterns


class Log1pInput(InputTransform):
    """log(1 + counts), as PPN's text has it; no number of the data enters."""

    def forward(self, intensity: Tensor) -> Tensor:
        """(B, H, W) photons to (B, 1, H, W)."""
        return torch.log1p(intensity).unsqueeze(1)


class StandardisedLog1pInput(InputTransform):
    """log(1 + counts) less the training part's mean pattern, by the standard deviation of what remains.

    For scans whose patterns all look like the probe's own: a network then sees what tells them apart. A missing
    neighbour, no photon anywhere, becomes zeros, as if it were the mean pattern.
    """

    def __init__(self, *, neighbours: int, scaling: Scaling) -> None:
        super().__init__(neighbours=neighbours, scaling=scaling)
        self.register_buffer("mean", scaling.log1p_mean, persistent=False)

    def forward(self, intensity: Tensor) -> Tensor:
        """(B, H, W) photons to (B, 1, H, W)."""
        seen = (torch.log1p(intensity) - self.mean) / self.scaling.log1p_deviation
        return seen.where(intensity.amax(dim=(-2, -1), keepdim=True) > 0, 0.0).unsqueeze(1)


class CountsInput(InputTransform):
    """The counts as they are (PtychoNN)."""

    def forward(self, intensity: Tensor) -> Tensor:
        """(B, H, W) photons to (B, 1, H, W)."""
        return intensity.unsqueeze(1)


class IntensityInput(InputTransform):
    """Counts by the largest of the training part (released PPN)."""

    def forward(self, intensity: Tensor) -> Tensor:
        """(B, H, W) photons to (B, 1, H, W)."""
        return (intensity / self.scaling.intensity_max).unsqueeze(1)


class SqrtInput(InputTransform):
    """sqrt(counts) by the largest of the training part, so that the training input ends at 1."""

    def forward(self, intensity: Tensor) -> Tensor:
        """(B, H, W) photons to (B, 1, H, W)."""
        return (intensity / self.scaling.intensity_max).sqrt().unsqueeze(1)


class SqrtPatternInput(InputTransform):
    """sqrt(counts) of each pattern by its own maximum (PtyNet); the photons of a pattern are lost."""

    def forward(self, intensity: Tensor) -> Tensor:
        """(B, H, W) photons to (B, 1, H, W)."""
        largest = intensity.amax(dim=(-2, -1), keepdim=True)
        return (intensity / largest.where(largest > 0, 1.0)).sqrt().unsqueeze(1)


class GainInput(InputTransform):
    """Saturation-aware gains (CPR, Eq. 5), and the raw pattern by the training maximum as last channel.

    clip(gain_i I, 0, threshold) with gain_i = threshold headroom base^(g_i - g_1) / I_p99.5: the first gain brings the
    99.5th percentile below saturation, the others lift weak fringes above it.

    Args:
        gains: exponents g_i, rising.
        base: of the exponents.
        headroom: fraction of the threshold the percentile is brought to, (0, 1].
        threshold: saturation of the detector, counts.
        neighbours: see `InputTransform`.
        scaling: likewise.

    Raises:
        ValueError: no gain, gains that do not rise, a number outside its bound, or patterns whose 99.5th percentile is
            zero.
    """

    def __init__(
        self,
        *,
        gains: list[float],
        base: float,
        headroom: float,
        threshold: float,
        neighbours: int,
        scaling: Scaling,
    ) -> None:
        super().__init__(neighbours=neighbours, scaling=scaling)
        if not gains or list(gains) != sorted(set(gains)):
            raise ValueError(f"input.gains must be one or more rising exponents, got {list(gains)}; CPR has [0.001,4]")
        for name, value, fits, bound in (
            ("headroom", headroom, 0 < headroom <= 1, "lie in (0, 1]; CPR has 0.85"),
            ("base", base, base > 1, "be above 1; CPR has 2"),
            ("threshold", threshold, threshold > 0, "be above 0; a 12-bit detector saturates at 4095"),
        ):
            if not fits:
                raise ValueError(f"input.{name} is {value}, it must {bound}")
        if not scaling.intensity_p995 > 0:
            raise ValueError(
                "dual_gain needs more than 0.5 % of the pixels lit, but the 99.5th percentile of the training patterns "
                "is 0 counts; use input=log1p"
            )
        self.threshold = float(threshold)  # in ONNX both bounds of a clip are of one type
        first = threshold * headroom / scaling.intensity_p995
        self.register_buffer("gains", torch.tensor([first * base ** (g - gains[0]) for g in gains]), persistent=False)

    @property
    def channels(self) -> int:
        """One for each gain, one for the raw pattern."""
        return len(self.gains) + 1

    def forward(self, intensity: Tensor) -> Tensor:
        """(B, H, W) photons to (B, gains + 1, H, W)."""
        pattern = intensity.unsqueeze(1)
        amplified = (pattern * self.gains[:, None, None]).clamp(0.0, self.threshold)
        return torch.cat((amplified, pattern / self.scaling.intensity_max), dim=1)
