"""Uncertainty of a stitched field's metrics, by drawing the field's blocks with replacement (block bootstrap).

Errors of neighbouring pixels are correlated because the same patches cover them. Blocks as large as a patch are nearly
independent (Kuensch, doi:10.1214/aos/1176347265).
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ptycho_bench.evaluation import metrics
from ptycho_bench.evaluation.protocol import MetricProtocol

RESAMPLES, SEED = 1000, 0
PERCENTILES = (0.025, 0.975)  # of an interval of 95 %


def resampled_metrics(
    pairs: Mapping[str, tuple[Tensor, Tensor]], protocol: MetricProtocol, block_px: int, mask: Tensor | None = None
) -> dict[str, Tensor]:
    """Compute MSE, MAE, PSNR and SSIM of a field for each resample of its blocks.

    Args:
        pairs: predicted and true field, scaled to [0, 1], real (rows, columns), by the prefix of their metrics.
        protocol: conventions by which metrics are computed.
        block_px: side of a square block; those at the end of the field may be smaller.
        mask: bool (rows, columns); only True pixels count.

    Returns:
        Values of each metric by its name, float64 (RESAMPLES,); empty for a field of a single block.
    """
    shape = next(iter(pairs.values()))[0].shape
    counted = torch.ones(shape, dtype=torch.bool) if mask is None else mask
    drawn = draw_blocks(block_sums(counted, block_px) > 0)
    if drawn is None:
        return {}
    values = {}
    for prefix, (pred, target) in pairs.items():
        ranges, flat = protocol.ranges(target, mask)
        similarity, valid = metrics.ssim_map(pred, target, data_range=ranges, window=protocol.ssim_window, mask=mask)
        similarity, valid = at_window_centres(similarity, valid, shape)
        mse = resampled_mean((pred - target).square(), counted, drawn, block_px)
        mae = resampled_mean((pred - target).abs(), counted, drawn, block_px)
        psnr, ssim = 10 * torch.log10(ranges**2 / mse), resampled_mean(similarity, valid, drawn, block_px)
        if flat:
            psnr, ssim = (torch.full_like(mse, torch.nan) for _ in range(2))
        values |= {f"{prefix}_mse": mse, f"{prefix}_mae": mae, f"{prefix}_psnr_db": psnr, f"{prefix}_ssim": ssim}
    return values


def draw_blocks(present: Tensor) -> Tensor | None:
    """Return how often each resample contains each block, float64 (RESAMPLES, blocks); None if there is one block.

    Args:
        present: bool (blocks,), which of them contain a pixel that counts; the others are not drawn.
    """
    blocks = present.nonzero().flatten()
    if len(blocks) < 2:
        return None
    generator = torch.Generator().manual_seed(SEED)
    drawn = blocks[torch.randint(len(blocks), (RESAMPLES, len(blocks)), generator=generator)]
    return torch.zeros(RESAMPLES, len(present), dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones(drawn.shape, dtype=torch.float64)
    )


def block_sums(values: Tensor, block_px: int) -> Tensor:
    """Return the sums of values (rows, columns) over square blocks, float64 (blocks,)."""
    rows, columns = values.shape
    padded = F.pad(values.double(), (0, -columns % block_px, 0, -rows % block_px))
    return padded.unflatten(1, (-1, block_px)).unflatten(0, (-1, block_px)).sum(dim=(1, 3)).flatten()


def resampled_mean(values: Tensor, counted: Tensor, drawn: Tensor, block_px: int) -> Tensor:
    """Return the mean of the values that count for each resample, (RESAMPLES,); NaN where none counts."""
    total = drawn @ block_sums(values.where(counted, 0.0), block_px)
    return total / (drawn @ block_sums(counted, block_px))


def at_window_centres(similarity: Tensor, valid: Tensor | None, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Return an SSIM map at the pixels in the middle of its windows, (rows, columns), and which of them count."""
    valid = torch.ones_like(similarity, dtype=torch.bool) if valid is None else valid
    margin = (shape[0] - similarity.shape[0]) // 2  # windows have an odd number of pixels
    return F.pad(similarity, (margin,) * 4), F.pad(valid, (margin,) * 4)


def intervals(resamples: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Return the 2.5th and 97.5th percentile of each metric's resamples, without those that have no value."""
    levels = torch.tensor(PERCENTILES, dtype=torch.float64)
    return {  # interpolation between infinite values would give NaN
        name: torch.nanquantile(values, levels, interpolation="nearest").tolist() for name, values in resamples.items()
    }
