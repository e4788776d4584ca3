"""Image metrics as pure functions of real images (..., H, W): one value per image, with an explicit data range."""

import math

import torch
from torch import Tensor

from ptycho_bench.physics.specimens.objects import wrap_phase

SSIM_K1, SSIM_K2 = 0.01, 0.03  # Wang et al., doi:10.1109/TIP.2003.819861
GAUSSIAN_SIDE, GAUSSIAN_SIGMA, UNIFORM_SIDE = 11, 1.5, 7


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over height and width, (...,); with a mask, only over its True pixels."""
    if mask is None:
        return values.mean(dim=(-2, -1))
    return torch.where(mask, values, 0).sum(dim=(-2, -1)) / mask.sum(dim=(-2, -1))


def mse(pred: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Compute the mean squared error of each image, (...,)."""
    return masked_mean((pred - target).square(), mask)


def mae(pred: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Compute the mean absolute error of each image, (...,)."""
    return masked_mean((pred - target).abs(), mask)


def wrapped_mae(pred: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Compute the mean absolute difference of two phases on the circle, (...,), radians."""
    return masked_mean(wrap_phase(pred - target).abs(), mask)


def psnr(pred: Tensor, target: Tensor, *, data_range: float | Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute the peak signal-to-noise ratio of each image, (...,), dB; infinite for equal images.

    Args:
        pred: images (..., H, W).
        target: images of the same shape.
        data_range: largest minus smallest possible value, one number or one per image (...,).
        mask: bool (..., H, W); only True pixels count.
    """
    peak = torch.as_tensor(data_range, dtype=pred.dtype, device=pred.device)
    return 10 * torch.log10(peak.square() / mse(pred, target, mask=mask))


def ssim(
    pred: Tensor,
    target: Tensor,
    *,
    data_range: float | Tensor,
    window: str = "gaussian",
    mask: Tensor | None = None,
) -> Tensor:
    """Compute the structural similarity of each image (Wang et al., doi:10.1109/TIP.2003.819861), (...,).

    The mean is taken over the region where the window fits; the function is differentiable. It is implemented here
    because torchmetrics' `structural_similarity_index_measure` accepts neither a mask nor one data range per image, and
    also averages over a reflected border. The tests compare it with torchmetrics and with scikit-image.

    Args:
        pred: images (..., H, W).
        target: images of the same shape.
        data_range: largest minus smallest possible value, one number or one per image (...,).
        window: `gaussian` (11 x 11, sigma 1.5, as in the original) or `uniform` (7 x 7, with sample covariance, the
            default of scikit-image).
        mask: bool (..., H, W); windows that contain a False pixel do not count.

    Raises:
        ValueError: If the window is unknown, or if the images are smaller than it.
    """
    return masked_mean(*ssim_map(pred, target, data_range=data_range, window=window, mask=mask))


def ssim_map(
    pred: Tensor, target: Tensor, *, data_range: float | Tensor, window: str, mask: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Return the similarity in each window that fits, (..., H - n + 1, W - n + 1), and which of them count; see `ssim`.

    Windows of n px start at the pixel of their index. Without a mask all count, which is None.
    """
    taps, correction = window_taps(window, pred)
    if min(pred.shape[-2:]) < len(taps):
        raise ValueError(f"SSIM needs images of at least {len(taps)} px, got {tuple(pred.shape[-2:])}")
    # variances do not depend on the mean; subtracting it keeps float32 accurate for a narrow range far from zero
    level_p, level_t = (masked_mean(image, mask)[..., None, None].detach() for image in (pred, target))
    p, t = pred - level_p, target - level_t
    mean_p, mean_t, mean_pp, mean_tt, mean_pt = filter_valid(torch.stack((p, t, p * p, t * t, p * t)), taps)
    variance_p, variance_t = correction * (mean_pp - mean_p**2), correction * (mean_tt - mean_t**2)
    covariance = correction * (mean_pt - mean_p * mean_t)
    mean_p, mean_t = mean_p + level_p, mean_t + level_t
    peak = torch.as_tensor(data_range, dtype=pred.dtype, device=pred.device)[..., None, None]
    c1, c2 = (SSIM_K1 * peak) ** 2, (SSIM_K2 * peak) ** 2
    similarity = (2 * mean_p * mean_t + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_p**2 + mean_t**2 + c1) * (variance_p + variance_t + c2))
    if mask is None:
        return similarity, None
    return similarity, filter_valid(mask.to(pred.dtype), torch.ones_like(taps)) > len(taps) ** 2 - 0.5


def window_taps(window: str, like: Tensor) -> tuple[Tensor, float]:
    """Return the 1-D taps of a separable window, and the factor from its variance to the variance that SSIM uses."""
    if window == "uniform":
        taps = torch.full((UNIFORM_SIDE,), 1 / UNIFORM_SIDE, dtype=like.dtype, device=like.device)
        return taps, UNIFORM_SIDE**2 / (UNIFORM_SIDE**2 - 1)
    if window == "gaussian":
        offset = torch.arange(GAUSSIAN_SIDE, dtype=like.dtype, device=like.device) - GAUSSIAN_SIDE // 2
        taps = torch.exp(-(offset**2) / (2 * GAUSSIAN_SIGMA**2))
        return taps / taps.sum(), 1.0
    raise ValueError(f"window must be gaussian or uniform, got {window!r}")


def filter_valid(images: Tensor, taps: Tensor) -> Tensor:
    """Filter images (..., H, W) separably with n taps where the window fits; return (..., H - n + 1, W - n + 1).

    Products with banded matrices keep full single precision on a GPU, where convolutions may be rounded to TF32.
    """
    height, width = images.shape[-2:]
    return banded_matrix(taps, height) @ images @ banded_matrix(taps, width).T


def banded_matrix(taps: Tensor, size: int) -> Tensor:
    """Return a matrix (size - n + 1, size) with the n taps in each row, shifted by one column per row."""
    rows = size - len(taps) + 1
    column = torch.arange(rows, device=taps.device)[:, None] + torch.arange(len(taps), device=taps.device)
    return taps.new_zeros(rows, size).scatter_(1, column, taps.expand(rows, -1))


def constant_phase_offset(pred: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Return the constant, (...,), radians, whose addition brings each predicted phase closest to the target."""
    difference = target - pred
    return torch.atan2(masked_mean(difference.sin(), mask), masked_mean(difference.cos(), mask))


def align_phase(pred: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Return the predicted phase minus one constant per image, (..., H, W), radians, unwrapped towards the target."""
    shifted = pred + constant_phase_offset(pred, target, mask=mask)[..., None, None]
    return target + wrap_phase(shifted - target)


def target_range(target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the largest minus the smallest value of each image, (...,); with a mask, only of its True pixels."""
    if mask is None:
        return target.amax(dim=(-2, -1)) - target.amin(dim=(-2, -1))
    high, low = torch.where(mask, target, -math.inf), torch.where(mask, target, math.inf)
    return high.amax(dim=(-2, -1)) - low.amin(dim=(-2, -1))
