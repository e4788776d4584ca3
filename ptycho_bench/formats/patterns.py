"""Frames as a detector delivered them to patterns as this project has them: square, centred, counts, no bad value."""

from dataclasses import dataclass

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.scan_frames import not_measured

QUANTITIES, CORNERS = ("intensity", "amplitude"), ("centre", "corner")


@dataclass(frozen=True, kw_only=True)
class PatternOptions:
    """What a file does not say of its patterns, or says wrongly.

    Args:
        quantity: intensity or amplitude (squared on import); None: as the format has it.
        zero_frequency: centre [H // 2, W // 2] or corner [0, 0]; None: as the format has it.
        centre_px: (row, column) of the direct beam, which a crop is laid about; None: [H // 2, W // 2].
        crop_px: side of the square kept; None: the largest. Makes the object's pixel larger.
        bin: side of the squares of detector pixels added up. Keeps the object's pixel, narrows the patch.
        background: counts below it become 0; or None.
        bad_share: a pixel not measured in more than this share of the frames is masked; elsewhere its value becomes 0.
        mask_path: image (H, W) of bad pixels, as the detector's, TIFF, NPY or HDF5; or None.
        mask_key: data set's name where that file is HDF5.
        mask_good: its value for a good pixel.
    """

    quantity: str | None
    zero_frequency: str | None
    centre_px: tuple[int, int] | None
    crop_px: int | None
    bin: int
    background: float | None
    bad_share: float
    mask_path: str | None
    mask_key: str | None
    mask_good: int

    def __post_init__(self) -> None:
        for name, allowed in (("quantity", QUANTITIES), ("zero_frequency", CORNERS)):
            if getattr(self, name) not in (None, *allowed):
                raise ValueError(f"patterns.{name} must be {' or '.join(allowed)}, got {getattr(self, name)!r}")
        if not 0 <= self.bad_share < 1:
            raise ValueError(f"patterns.bad_share must lie in [0, 1), got {self.bad_share}; 1 % is written 0.01")
        if self.bin < 1:
            raise ValueError(f"patterns.bin must be at least 1, got {self.bin}; 2 adds squares of 2 x 2 pixels")
        if self.crop_px is not None and (self.crop_px < 1 or self.crop_px % self.bin):
            raise ValueError(f"patterns.crop_px must be a positive multiple of bin {self.bin}, got {self.crop_px}")


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which part of a frame is kept.

    Args:
        top: first row, after the zero frequency was brought to the centre.
        left: first column.
        side_px: rows and columns kept.
        centred: the frame's zero frequency lies at the centre; False: at the corner.
        bin: side of the squares added up.
    """

    top: int
    left: int
    side_px: int
    centred: bool
    bin: int

    def cut(self, images: np.ndarray) -> np.ndarray:
        """(..., H, W) to (..., side, side): centred and cropped, not yet binned."""
        if not self.centred:
            images = np.fft.fftshift(images, axes=(-2, -1))
        return images[..., self.top : self.top + self.side_px, self.left : self.left + self.side_px]

    def squares(self, images: np.ndarray) -> np.ndarray:
        """Cut images with the pixels of one square in axes -3 and -1: (..., side / bin, bin, side / bin, bin)."""
        side = self.side_px // self.bin
        return self.cut(images).reshape(*images.shape[:-2], side, self.bin, side, self.bin)


def window_of(shape: tuple[int, ...], options: PatternOptions, zero_frequency: str, source: str) -> Window:
    """The part of (N, H, W) frames that is kept.

    Raises:
        DataError: a crop or centre that does not fit the frame.
    """
    height, width = shape[1:]
    row, column = options.centre_px or (height // 2, width // 2)
    if not (0 <= row < height and 0 <= column < width):
        raise DataError(f"{source}: patterns.centre_px [{row}, {column}] lies outside frames of {height} x {width} px")
    reach = min(row, column, height - row, width - column)  # an even side has one pixel more above than below
    side = options.crop_px
    if side is None:
        side = min(height, width) if options.centre_px is None else 2 * reach
        side -= side % options.bin
    top, left = row - side // 2, column - side // 2
    if side < 1 or top < 0 or left < 0 or top + side > height or left + side > width:
        raise DataError(
            f"{source}: a square of {side} px about [{row}, {column}] does not fit frames of {height} x {width} px; "
            "lower patterns.crop_px or mend patterns.centre_px"
        )
    return Window(top=top, left=left, side_px=side, centred=zero_frequency == "centre", bin=options.bin)


def mask_of(bad: np.ndarray, window: Window) -> np.ndarray:
    """uint8 (h, w), 0 = good, of bad pixels (H, W): a square with one bad pixel is bad."""
    return window.squares(bad).any(axis=(-3, -1)).astype(np.uint8)


def prepared(
    frames: FrameStream, bad: np.ndarray, window: Window, *, quantity: str, background: float | None
) -> FrameStream:
    """Frames (N, H, W) to patterns (N, h, w): bad pixels 0, amplitude squared, centred, cropped, binned.

    Whole numbers stay whole (uint16 where the detector's type is, else uint32), others become float32.
    """
    whole = frames.dtype.kind in "ui" and quantity == "intensity"
    small = whole and frames.dtype.itemsize <= 2 and window.bin == 1
    kind = np.uint16 if small else np.uint32 if whole else np.float32

    def change(block: np.ndarray) -> np.ndarray:
        clean = np.where(bad | not_measured(block), 0, block)
        if not whole:
            clean = clean.astype(np.float32).clip(min=0)
        if quantity == "amplitude":
            clean = np.square(clean)
        counts = window.squares(clean).sum(axis=(-3, -1), dtype=np.float64 if not whole else np.uint64)
        if background is not None:
            counts[counts < background] = 0
        if whole and counts.max() > np.iinfo(kind).max:
            raise DataError(f"a pixel counts {counts.max()}, {np.dtype(kind)} ends at {np.iinfo(kind).max}; mask it")
        return counts.astype(kind)

    return frames.map(change)
