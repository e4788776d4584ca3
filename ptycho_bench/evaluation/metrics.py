"""Image metrics: pure functions, per image, data range always given. Images are real (..., H, W)."""

import math

import torch
from torch import Tensor

from ptycho_bench.physics.specimens.objects import wrap_phase

SSIM_K1, SSIM_K2 = 0.01, 0.03  # Wang et al., doi:10.1109/TIP.2003.819861
GAUSSIAN_SIDE, GAUSSIAN_SIGMA, UNIFORM_SIDE = 11, 1.5, 7


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over height and width, (...,); over the mask's True pixels alone where there is one."""
    if mask is None:
        return values.mean(dim=(-2, -1))
    return torch.where(mask, values, 0).sum(dim=(-2, -1)) / mask.sum(dim=(-2, -1))


def mse(pred: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean squared error of each image, (...,)."""
    return masked_mean((pred - target).square(), mask)


def mae(pred: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean absolute error of each image, (...,)."""
    return masked_mean((pred - target).abs(), mask)


def wrapped_mae(pred: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean absolute difference of two phases on the circle, radians, (...,)."""
    return masked_mean(wrap_phase(pred - target).abs(), mask)


def psnr(pred: Tensor, target: Tensor, *, data_range: float | Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio of each image, dB, (...,); infinite for equal images.

    Args:
        pred: images.
        target: images of the same shape.
        data_range: largest minus smallest possible value, one for all or one each.
        mask: True pixels count.
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
    """Structural similarity of each image over the region where the window fits, (...,); differentiable.

    Args:
        pred: images (..., H, W).
        target: images of the same shape.
        data_range: largest minus smallest possible value, one for all or one each (...,).
        window: `gaussian` (11 x 11, sigma 1.5, as the original) or `uniform` (7 x 7, sample covariance, scikit-image's
            default).
        mask: bool (..., H, W); windows that touch a False pixel do not count.

    Raises:
        ValueError: another window, or images smaller than it.
    """
    taps, correction = window_taps(window, pred)
    if min(pred.shape[-2:]) < len(taps):
        raise ValueError(f"SSIM needs images of at least {len(taps)} px, got {tuple(pred.shape[-2:])}")
    # (co)variances do not depend on an image's mean; without it float32 resolves a narrow range too
    level_p, level_t = (masked_mean(image, mask)[..., None, None].detach() for image in (pred, target))
    p, t = pred - level_p, target - level_t
    mean_p, mean_t, mean_pp, mean_tt, mean_pt = filtered(torch.stack((p, t, p * p, t * t, p * t)), taps)
    variance_p, variance_t = correction * (mean_pp - mean_p**2), correction * (mean_tt - mean_t**2)
    covariance = correction * (mean_pt - mean_p * mean_t)
    mean_p, mean_t = mean_p + level_p, mean_t + level_t
    peak = torch.as_tensor(data_range, dtype=pred.dtype, device=pred.device)[..., None, None]
    c1, c2 = (SSIM_K1 * peak) ** 2, (SSIM_K2 * peak) ** 2
    similarity = (2 * mean_p * mean_t + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_p**2 + mean_t**2 + c1) * (variance_p + variance_t + c2))
    if mask is None:
        return similarity.mean(dim=(-2, -1))
    return masked_mean(similarity, filtered(mask.to(pred.dtype), torch.ones_like(taps)) > len(taps) ** 2 - 0.5)


def window_taps(window: str, like: Tensor) -> tuple[Tensor, float]:
    """1-D taps of a separable window, and the factor that turns its variance into the one SSIM uses."""
    if window == "uniform":
        taps = torch.full((UNIFORM_SIDE,), 1 / UNIFORM_SIDE, dtype=like.dtype, device=like.device)
        return taps, UNIFORM_SIDE**2 / (UNIFORM_SIDE**2 - 1)
    if window == "gaussian":
        place = torch.arange(GAUSSIAN_SIDE, dtype=like.dtype, device=like.device) - GAUSSIAN_SIDE // 2
        taps = torch.exp(-(place**2) / (2 * GAUSSIAN_SIGMA**2))
        return taps / taps.sum(), 1.0
    raise ValueError(f"window must be gaussian or uniform, got {window!r}")


def filtered(images: Tensor, taps: Tensor) -> Tensor:
    """Separable filter over the region where it fits: (..., H, W) to (..., H - n + 1, W - n + 1).

    Two products with banded matrices: full single precision on a GPU, where convolutions may be rounded to TF32.
    """
    height, width = images.shape[-2:]
    return band(taps, height) @ images @ band(taps, width).T


def band(taps: Tensor, size: int) -> Tensor:
    """Matrix (size - n + 1, size) that slides the n taps along its rows."""
    rows = size - len(taps) + 1
    place = torch.arange(rows, device=taps.device)[:, None] + torch.arange(len(taps), device=taps.device)
    return taps.new_zeros(rows, size).scatter_(1, place, taps.expand(rows, -1))


def constant_phase_offset(pred: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """The one constant, radians (...,), that added to each predicted phase brings it closest to the target."""
    difference = target - pred
    return torch.atan2(masked_mean(difference.sin(), mask), masked_mean(difference.cos(), mask))


def align_phase(pred: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Predicted phase, radians (..., H, W), less one constant per image, on the target's turn of the circle."""
    shifted = pred + constant_phase_offset(pred, target, mask=mask)[..., None, None]
    return target + wrap_phase(shifted - target)


def target_range(target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Largest minus smallest value of each image, (...,), over the mask's True pixels where there is one."""
    if mask is None:
        return target.amax(dim=(-2, -1)) - target.amin(dim=(-2, -1))
    high, low = torch.where(mask, target, -math.inf), torch.where(mask, target, math.inf)
    return high.amax(dim=(-2, -1)) - low.amin(dim=(-2, -1))
