"""The APS 26-ID scan that PtychoNN was published with: raw or reduced patterns, and labels as one complex array."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptycho_bench.data.errors import DataError
from ptycho_bench.data.frames import FrameStream
from ptycho_bench.formats.containers.layout import raster_positions
from ptycho_bench.formats.containers.npz import npy_frames, npz_frames, npz_names, open_npy, open_npz
from ptycho_bench.formats.containers.paths import joined_names
from ptycho_bench.formats.raw_scan import RawScan
from ptycho_bench.physics.bounds import Index, Metres, NonNegative, Pixels, Positive, bounded

MEMBER = "arr_0"
FRAMES_AT_ONCE = 32  # frames in float64 that are resized together


@bounded
@dataclass(frozen=True, kw_only=True)
class Aps26ID:
    """Reader of NAME_diff or NAME_diff_reduced (.npz or .npy), and optionally the complex NAME_amp_pha_10nm_full.npy.

    Args:
        crop_px: pixels to crop off each side of a raw pattern.
        resize_px: side to which a cropped pattern is resized by linear interpolation after smoothing; patterns that
            already have this side are not changed; null for no resizing.
        threshold: counts below this value are set to 0 after resizing.
        step_px: raster step, object pixels.
        pixel_size_m: side of an object pixel, metres.
    """

    crop_px: Index
    resize_px: Pixels | None
    threshold: NonNegative
    step_px: Positive
    pixel_size_m: Metres

    def recognises(self, files: list[str]) -> bool:
        """Return True if names and contents of the files are those of the published ones."""
        patterns = [file for file in files if "_diff" in Path(file).name]
        if len(patterns) != 1 or any("_amp_pha" not in Path(file).name for file in files if file not in patterns):
            return False
        return npz_names(patterns[0]) == {MEMBER} or is_raster_npy(patterns[0])

    def read(self, files: list[str]) -> RawScan:
        """Read the scan, see `Reader`."""
        patterns, labels = split_files(files)
        frames, raster = pattern_frames(patterns)
        frames, notes = self.reduce_frames(frames, patterns)
        amplitude, phase = (None, None) if labels is None else label_streams(labels, frames)
        return RawScan(
            source=joined_names(files),
            format="aps26id",
            frames=frames,
            raster=raster,
            positions_px=None if raster is None else raster_positions(*raster, self.step_px),
            amplitude=amplitude,
            phase=phase,
            pixel_size_m=self.pixel_size_m,
            origin="imported" if labels is None else "solved by the authors of PtychoNN",
            notes=notes,
        )

    def reduce_frames(self, frames: FrameStream, where: str) -> tuple[FrameStream, tuple[str, ...]]:
        """Return the frames after reduction, and notes; frames that already have the final side are not changed."""
        side = frames.shape[1]
        if side == self.resize_px:
            return frames, (f"patterns of {side} px are not reduced, because they already have this size",)
        left = side - 2 * self.crop_px
        if side != frames.shape[2] or left < (self.resize_px or 1):
            raise DataError(
                f"{where} has patterns of {side} x {frames.shape[2]} px; cropping {self.crop_px} px off each side "
                f"leaves {left} px, but at least {self.resize_px or 1} are needed: set format.crop_px and "
                "format.resize_px"
            )
        notes = (
            f"patterns of {side} px are cropped to {left} px and resized to {self.resize_px or left} px; counts below "
            f"{self.threshold:g} are set to 0",
        )
        return frames.map(self.reduce_block), notes

    def reduce_block(self, block: np.ndarray) -> np.ndarray:
        """Return raw patterns (n, H, W) as PtychoNN's networks see them, float32 (n, side, side)."""
        kept = slice(self.crop_px, block.shape[-1] - self.crop_px)
        block = block[:, kept, kept]
        parts = [self.resize(block[i : i + FRAMES_AT_ONCE]) for i in range(0, len(block), FRAMES_AT_ONCE)]
        return np.concatenate(parts)

    def resize(self, block: np.ndarray) -> np.ndarray:
        """Smooth frames, resize them by linear interpolation, and set counts below the threshold to 0."""
        from skimage.transform import resize

        side = self.resize_px or block.shape[-1]
        shape = (len(block), side, side)
        small = resize(block, shape, order=1, preserve_range=True, anti_aliasing=True)
        return np.where(small < self.threshold, 0, small).astype(np.float32)


def is_raster_npy(file: str) -> bool:
    """Return True for an .npy file of real numbers (rows, columns, H, W)."""
    try:
        array = open_npy(file) if file.endswith(".npy") else None
    except DataError:
        return False
    return array is not None and array.ndim == 4 and array.dtype.kind in "uif"


def split_files(files: list[str]) -> tuple[str, str | None]:
    """Return the file of the patterns, and the file of the labels, an .npy of complex numbers, or None.

    Raises:
        DataError: If there is not exactly one file of patterns, or there are several files of labels.
    """
    labels = [file for file in files if file.endswith(".npy") and open_npy(file).dtype.kind == "c"]
    patterns = [file for file in files if file not in labels]
    if len(patterns) != 1 or len(labels) > 1:
        raise DataError(
            f"{joined_names(files)}: {len(patterns)} files contain patterns and {len(labels)} contain labels; name one "
            "NAME_diff.npz and at most one NAME_amp_pha_10nm_full.npy"
        )
    return patterns[0], next(iter(labels), None)


def pattern_frames(file: str) -> tuple[FrameStream, tuple[int, int] | None]:
    """Return the frames of an .npy file, or of arr_0 of an .npz file, and their raster."""
    if file.endswith(".npy"):
        return npy_frames(file)
    with open_npz(file) as archive:
        archive.header(MEMBER)
    return npz_frames(file, MEMBER)


def label_streams(file: str, frames: FrameStream) -> tuple[FrameStream, FrameStream]:
    """Return amplitude and phase of the complex labels.

    Raises:
        DataError: If labels and patterns differ in shape.
    """
    labels, _ = npy_frames(file, allow_complex=True)
    if labels.shape != frames.shape:
        raise DataError(
            f"{file}: labels have shape {labels.shape}, but patterns have {frames.shape}; name files of the same scan, "
            "and check format.crop_px and format.resize_px"
        )
    return labels.map(np.abs), labels.map(np.angle)
