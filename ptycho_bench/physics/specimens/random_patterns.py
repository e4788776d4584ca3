"""Random patterns for test objects: bars, curves, smooth and thresholded random fields, and lines of glyphs."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ptycho_bench.physics.specimens.curved_chart import distance_to_line, spiral


@dataclass(frozen=True)
class Draw:
    """Random numbers from a generator.

    Args:
        generator: CPU generator, so that every machine draws the same numbers.
    """

    generator: Generator

    def uniform(self, low: float, high: float) -> float:
        """Return a number between two bounds."""
        return low + (high - low) * torch.rand((), generator=self.generator).item()

    def log_uniform(self, low: float, high: float) -> float:
        """Return a number between two positive bounds, uniform on a logarithmic scale."""
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def whole(self, low: int, high: int) -> int:
        """Return a whole number; both bounds are possible."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.uniform(0, 1) < probability


def bars(side: int, draw: Draw) -> Tensor:
    """Return a few groups of parallel bars, each group with its own angle, width, spacing and level."""
    y, x = centred_pixels(side).unbind(dim=1)
    image = torch.zeros(side * side)
    for _ in range(draw.whole(2, 5)):
        width, count, angle = draw.log_uniform(side / 24, side / 7), draw.whole(1, 5), draw.uniform(0, math.pi)
        pitch, length = width * draw.uniform(1.6, 2.5), min(width * draw.uniform(4, 10), 0.9 * side)
        v, u = (c - draw.uniform(-0.4, 0.4) * side for c in (y, x))
        along, across = u * math.cos(angle) + v * math.sin(angle), v * math.cos(angle) - u * math.sin(angle)
        middle = (count - 1) / 2
        nearest = ((across / pitch + middle).round().clamp(0, count - 1) - middle) * pitch
        outside = torch.maximum(along.abs() - length / 2, (across - nearest).abs() - width / 2)
        image = paint(image, outside, draw.uniform(0.4, 1))
    return image.view(side, side)


def curves(side: int, draw: Draw) -> Tensor:
    """Return a few arcs, spirals and sinusoidal lines, each with its own width and level."""
    pixels = centred_pixels(side)
    image = torch.zeros(side * side)
    for _ in range(draw.whole(3, 6)):
        points = (arc_points, spiral_points, wave_points)[draw.whole(0, 2)](side, draw)
        width = draw.log_uniform(side / 32, side / 8)
        image = paint(image, distance_to_line(pixels, points)[0] - width / 2, draw.uniform(0.4, 1))
    return image.view(side, side)


def arc_points(side: int, draw: Draw) -> Tensor:
    """Return points of an arc of a circle, real (n, 2), as (y, x) from the centre of the image, px."""
    radius, start = draw.uniform(0.1, 0.5) * side, draw.uniform(0, 360)
    return spiral(*centre(side, draw), radius, radius, start, start + draw.uniform(90, 360), 0.0).points


def spiral_points(side: int, draw: Draw) -> Tensor:
    """Return points of a spiral; see `arc_points`."""
    radius, start = draw.uniform(0.25, 0.5) * side, draw.uniform(0, 360)
    turns = draw.uniform(1.2, 2.5) * (1 if draw.chance(0.5) else -1)
    return spiral(*centre(side, draw), 0.03 * side, radius, start, start + 360 * turns, 0.0).points


def wave_points(side: int, draw: Draw) -> Tensor:
    """Return points of a sinusoidal line across the image; see `arc_points`."""
    along = torch.linspace(-0.7, 0.7, 64) * side
    period, phase = draw.log_uniform(0.2, 1) * side, draw.uniform(0, 2 * math.pi)
    across = draw.uniform(0.05, 0.2) * side * torch.sin(2 * math.pi * along / period + phase)
    across = across + draw.uniform(-0.35, 0.35) * side
    return rotated(torch.stack((across, along), dim=1), draw.uniform(0, math.pi))


def smooth_field(side: int, draw: Draw) -> Tensor:
    """Return a Gaussian random field, the sum of a coarse and a weaker fine one."""
    coarse = draw.log_uniform(side / 16, side / 5)
    return random_field(side, coarse, draw) + draw.uniform(0, 0.6) * random_field(side, coarse / 3, draw)


def thresholded_field(side: int, draw: Draw) -> Tensor:
    """Return a random field reduced to two to four levels, with edges about a pixel wide."""
    field = random_field(side, draw.log_uniform(side / 24, side / 7), draw)
    slope = torch.stack(torch.gradient(field)).norm(dim=0).mean()
    levels = draw.whole(1, 3)
    cuts = [(k + draw.uniform(0.2, 0.8)) / levels for k in range(levels)]
    return sum((0.5 + (field - field.quantile(cut)) / slope).clamp(0, 1) for cut in cuts)


def text(side: int, draw: Draw) -> Tensor:
    """Return lines of random glyphs of one size, rotated by a random angle."""
    height = draw.log_uniform(side / 6, side / 2)
    pen, angle = height * draw.uniform(0.09, 0.18), draw.uniform(0, 2 * math.pi)
    pixels = rotated(centred_pixels(side), -angle)
    outside = torch.full((side * side,), float(side))
    reach = 0.7 * side
    for top in torch.arange(-reach, reach, 1.4 * height).tolist():
        for left in torch.arange(-reach, reach, 0.9 * height).tolist():
            corner = torch.tensor([top, left])
            near = (pixels - corner - height / 2).abs().amax(dim=1) < height
            for stroke in glyph(draw):
                distance, _ = distance_to_line(pixels[near], height * stroke + corner)
                outside[near] = torch.minimum(outside[near], distance - pen / 2)
    return paint(torch.zeros(side * side), outside, 1.0).view(side, side)


def glyph(draw: Draw) -> list[Tensor]:
    """Return the strokes of a random letter, 0.6 times as wide as high: a line between nodes, and perhaps a bow.

    Each stroke is real (n, 2), as (y, x) from the upper left corner, in units of the height.
    """
    nodes = torch.cartesian_prod(torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.0, 0.3, 0.6]))
    strokes = [nodes[torch.randperm(9, generator=draw.generator)[: draw.whole(2, 4)]]]
    if draw.chance(0.6):
        start = draw.uniform(0, 360)
        y, radius = draw.uniform(0.3, 0.7), draw.uniform(0.2, 0.3)
        strokes.append(spiral(y, 0.3, radius, radius, start, start + draw.uniform(120, 360), 0.0).points)
    return strokes


def random_field(side: int, length_px: float, draw: Draw) -> Tensor:
    """Return white noise smoothed by a Gaussian of this standard deviation, with variance 1; it is periodic."""
    noise = torch.rand(side, side, generator=draw.generator) - 0.5
    q = 2 * math.pi * torch.fft.fftfreq(side)
    window = torch.exp(-((length_px * q) ** 2) / 2)
    field = torch.fft.ifft2(torch.fft.fft2(noise) * window[:, None] * window).real
    return (field - field.mean()) / field.std()


def centre(side: int, draw: Draw) -> tuple[float, float]:
    """Return a random point away from the border, (y, x) from the centre of the image, px."""
    return draw.uniform(-0.3, 0.3) * side, draw.uniform(-0.3, 0.3) * side


def centred_pixels(side: int) -> Tensor:
    """Return the coordinates of all pixels from the centre of the image, real (side * side, 2) as (y, x)."""
    coordinate = torch.arange(side) + 0.5 - side / 2
    return torch.cartesian_prod(coordinate, coordinate)


def rotated(points: Tensor, angle: float) -> Tensor:
    """Return points (n, 2), as (y, x), rotated about the centre by an angle in radians."""
    y, x = points.unbind(dim=1)
    sine, cosine = math.sin(angle), math.cos(angle)
    return torch.stack((y * cosine + x * sine, x * cosine - y * sine), dim=1)


def paint(image: Tensor, outside: Tensor, level: float) -> Tensor:
    """Return an image over which a feature is painted; pixels on its edge are partly covered.

    Args:
        image: real (N,).
        outside: distance to the feature, px, negative inside, (N,).
        level: value of the feature.
    """
    return image + (0.5 - outside).clamp(0, 1) * (level - image)


PATTERNS = {
    "bars": bars,
    "curves": curves,
    "smooth_field": smooth_field,
    "thresholded_field": thresholded_field,
    "text": text,
}
