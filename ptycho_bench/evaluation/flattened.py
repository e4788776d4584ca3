"""The SSIM that PPN's released code reports: of all patches as one image with a row per patch."""

import numpy as np
from torch import Tensor

ROWS = 1024  # patches compared at once
WINDOW = 7  # of scikit-image's SSIM


def flattened_ssim(pred: Tensor, target: Tensor) -> float:
    """Compute the SSIM of the images (N, H * W) to which N patches are flattened, with the data range of the target.

    Windows span rows of different patches, so that the value depends on their order and is not an image's SSIM.

    Args:
        pred: real (N, H, W), scaled to [0, 1].
        target: real (N, H, W), scaled to [0, 1].

    Returns:
        Mean over all windows that fit; NaN for a flat target, and for fewer patches than a window has rows.
    """
    from skimage.metrics import structural_similarity

    span = (target.amax() - target.amin()).item()
    if len(pred) < WINDOW or span == 0:
        return np.nan
    half, rows, total, windows = WINDOW // 2, len(pred), 0.0, 0
    for first in range(0, rows - 2 * half, ROWS):
        part = slice(first, min(first + ROWS + 2 * half, rows))
        one, other = (images[part].flatten(1).double().numpy() for images in (pred, target))
        _, similarity = structural_similarity(one, other, win_size=WINDOW, data_range=span, full=True)
        inside = similarity[half:-half, half:-half]
        total, windows = total + inside.sum(), windows + inside.size
    return float(total / windows)
