"""Conversion of detector frames to patterns: square, centred, in counts, with bad values set to 0."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.scan_frames import not_measured
from ptycho_bench.physics.bounds import Index, Interval, NonNegative, Pixels, bounded

QUANTITIES, CORNERS = ("intensity", "amplitude"), ("centre", "corner")


@bounded
@dataclass(frozen=True, kw_only=True)
class PatternOptions:
    """Corrections and additions to what a file contains about its patterns.

    Args:
        quantity: intensity, or amplitude, which is squared on import; None to use what the format defines.
        zero_frequency: centre [H // 2, W // 2] or corner [0, 0]; None to use what the format defines.
        centre_px: (row, column) of the direct beam, about which patterns are cropped; None for [H // 2, W // 2].
        crop_px: side of the square to keep; None for the largest. A crop makes the object's pixels larger.
        bin: side of the squares of detector pixels that are summed. Binning keeps the size of the object's pixels and
            makes the patch smaller.
        background: counts below this value are set to 0; None to keep all.
        bad_share: a pixel not measured in more than this share of the frames is masked; a value not measured in a pixel
            that is not masked is set to 0.
        mask_path: image (H, W) of bad pixels, as large as the detector: TIFF, NPY or HDF5; None for no image.
        mask_key: name of the data set if that file is HDF5.
        mask_good: value of a good pixel in that image.
    """

    quantity: Literal["intensity", "amplitude"] | None
    zero_frequency: Literal["centre", "corner"] | None
    centre_px: tuple[Index, Index] | None
    crop_px: Pixels | None
    bin: Annotated[int, Interval("[1, 1024]", "2 sums squares of 2 x 2 pixels")]
    background: NonNegative | None
    bad_share: Annotated[float, Interval("[0, 1)", "1 % is written 0.01")]
    mask_path: str | None
    mask_key: str | None
    mask_good: int

    def __post_init__(self) -> None:
        for name, allowed in (("quantity", QUANTITIES), ("zero_frequency", CORNERS)):
            if getattr(self, name) not in (None, *allowed):
                raise ValueError(f"patterns.{name} must be {' or '.join(allowed)}, got {getattr(self, name)!r}")
        if self.crop_px is not None and self.crop_px % self.bin:
            raise ValueError(f"patterns.crop_px must be a positive multiple of bin {self.bin}, got {self.crop_px}")


@dataclass(frozen=True, kw_only=True)
class Window:
    """The part of a frame that is kept.

    Args:
        top: first row, after the zero frequency was moved to the centre.
        left: first column, after the zero frequency was moved to the centre.
        side_px: number of rows and columns to keep.
        centred: True if the frame's zero frequency is at the centre, False if it is at the corner.
        bin: side of the squares of pixels that are summed.
    """

    top: int
    left: int
    side_px: int
    centred: bool
    bin: int

    def cut(self, images: np.ndarray) -> np.ndarray:
        """Centre and crop images, (..., H, W) to (..., side, side), without binning."""
        if not self.centred:
            images = np.fft.fftshift(images, axes=(-2, -1))
        return images[..., self.top : self.top + self.side_px, self.left : self.left + self.side_px]

    def squares(self, images: np.ndarray) -> np.ndarray:
        """Cut images into squares, (..., side / bin, bin, side / bin, bin); axes -3 and -1 are a square's pixels."""
        side = self.side_px // self.bin
        return self.cut(images).reshape(*images.shape[:-2], side, self.bin, side, self.bin)


def window_of(shape: tuple[int, ...], options: PatternOptions, zero_frequency: str, source: str) -> Window:
    """Return the part of (N, H, W) frames that is kept.

    Raises:
        DataError: If the crop or the centre does not fit into the frame.
    """
    height, width = shape[1:]
    row, column = options.centre_px or (height // 2, width // 2)
    if not (0 <= row < height and 0 <= column < width):
        raise DataError(
            f"{source}: patterns.centre_px [{row}, {column}] lies outside frames of {height} x {width} px; correct it"
        )
    reach = min(row, column, height - row, width - column)  # an even side has one pixel more above than below
    side = options.crop_px
    if side is None:
        side = min(height, width) if options.centre_px is None else 2 * reach
        side -= side % options.bin
    top, left = row - side // 2, column - side // 2
    if side < 1 or top < 0 or left < 0 or top + side > height or left + side > width:
        raise DataError(
            f"{source}: a square of {side} px about [{row}, {column}] does not fit into frames of {height} x {width} "
            "px; lower patterns.crop_px or correct patterns.centre_px"
        )
    return Window(top=top, left=left, side_px=side, centred=zero_frequency == "centre", bin=options.bin)


def mask_of(bad: np.ndarray, window: Window) -> np.ndarray:
    """Return the mask of the patterns, uint8 (h, w), 0 = good; a square with one bad pixel of bool (H, W) is bad."""
    return window.squares(bad).any(axis=(-3, -1)).astype(np.uint8)


def prepare_patterns(
    frames: FrameStream, bad: np.ndarray, window: Window, *, quantity: str, background: float | None
) -> FrameStream:
    """Convert frames (N, H, W) to patterns (N, h, w): set bad pixels to 0, square amplitudes, centre, crop and bin.

    Whole numbers stay whole: uint16 if the detector's type is uint16 or smaller and nothing is binned, else uint32. All
    others become float32.
    """
    whole = frames.dtype.kind in "ui" and quantity == "intensity"
    small = whole and frames.dtype.itemsize <= 2 and window.bin == 1
    kind = np.uint16 if small else np.uint32 if whole else np.float32

    def prepare_block(block: np.ndarray) -> np.ndarray:
        clean = np.where(bad | not_measured(block), 0, block)
        if not whole:
            clean = clean.astype(np.float32).clip(min=0)
        if quantity == "amplitude":
            clean = np.square(clean)
        counts = window.squares(clean).sum(axis=(-3, -1), dtype=np.float64 if not whole else np.uint64)
        if background is not None:
            counts[counts < background] = 0
        if whole and counts.max() > np.iinfo(kind).max:
            raise DataError(
                f"a pixel has {counts.max()} counts, but {np.dtype(kind)} ends at {np.iinfo(kind).max}; mask the pixel"
            )
        return counts.astype(kind)

    return frames.map(prepare_block)
