"""How much of what a test measures was seen in training: overlap of the test patches with those of the other parts."""

import numpy as np
import torch

from ptycho_bench.data.coverage import Boxes, bounding_box, covered_per_box, covered_pixels, touched_pixels
from ptycho_bench.data.split import Split
from ptycho_bench.evaluation.metrics import GAUSSIAN_SIDE
from ptycho_bench.evaluation.stitch import scored_window
from ptycho_bench.physics.scan import whole_px


def leakage(positions_px: np.ndarray, split: Split, patch_px: int) -> dict[str, float]:
    """Return the fractions of the test part that training or validation patches cover; both count as seen.

    A patch at a fractional position covers every pixel that it touches.

    Args:
        positions_px: (N, 2), top-left (y, x) of each patch of the scan, px.
        split: training, validation and test points of the scan; at least one test point.
        patch_px: side of a patch.

    Returns:
        `test_patches`: fraction of the test patches that share any object pixel with a patch that was seen.
        `field`: fraction of the object pixels under the test patches that were seen.
        `scored`: the same for the rectangle in which the stitched field is scored.
    """
    tested = touched_pixels(positions_px[split.test], patch_px)
    seen = touched_pixels(positions_px[np.concatenate((split.train, split.validation))], patch_px)
    field = bounding_box(tested)
    seen_pixels, test_pixels = covered_pixels(seen, field), covered_pixels(tested, field)
    window = window_in_field(positions_px[split.test], patch_px, field)
    return {
        "test_patches": float((covered_per_box(tested, seen_pixels, field) > 0).mean()),
        "field": float(seen_pixels[test_pixels].mean()),
        "scored": float(seen_pixels[window][test_pixels[window]].mean()),
    }


def window_in_field(positions_px: np.ndarray, patch_px: int, field: Boxes) -> tuple[slice, slice]:
    """Return rows and columns of the scored rectangle of stitched patches, counted from the field's first pixel."""
    positions = torch.from_numpy(positions_px)
    window = scored_window(positions, patch_px, GAUSSIAN_SIDE, None)  # counted from the stitched field's first pixel
    shifts = (whole_px(positions).amin(dim=0).numpy() - field.first).tolist()
    return tuple(slice(part.start + s, part.stop + s) for part, s in zip(window, shifts, strict=True))
