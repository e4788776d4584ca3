"""Polar coordinate attention computed tile by tile, without a full N x N map; the backward pass recomputes the tiles.

The weights are W = exp2(L Phi) / s with L = Q K^T log2(e) / sqrt(d), because exp2 is the cheapest exponential. The
division by the sum s comes last, so that tiles of keys are independent of each other. The gradients are those of
FlashAttention (Dao et al., arXiv:2205.14135), with an additional gradient to the modulation Phi.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ptycho_bench.models.ppn.polar import polar_map

LOG2_E = math.log2(math.e)
SAFE_EXPONENT = 100.0  # a million weights of 2**100 still sum to a finite float32
LOGITS_PER_THREAD = 1 << 20  # below this, an additional thread does not pay off


@dataclass(frozen=True)
class Tiling:
    """Upper bounds of a tile: queries (rows), keys (columns), and logits of all heads computed at once (elements)."""

    rows: int
    columns: int
    elements: int


# small enough for the cache, large enough that the calls do not dominate
CPU_TILING = Tiling(rows=128, columns=1024, elements=1 << 19)
# large, because each tile costs kernel launches; 256 MiB per map
GPU_TILING = Tiling(rows=4096, columns=4096, elements=1 << 26)


class TiledPoCA(torch.autograd.Function):
    """Compute `poca_reference` with memory linear in N; on a CPU, each thread processes its own share of the heads."""

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
        if not query.numel():  # an empty batch
            ctx.save_for_backward(query, key, value, radius, direction)
            return value.clone()
        parts = map_over_heads(lambda g: attend(query[g], key[g], value[g], radius, direction), query)
        out, offset = (torch.cat(part) for part in zip(*parts, strict=True))
        ctx.save_for_backward(query, key, value, radius, direction, out, offset)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_out: Tensor) -> tuple[Tensor, ...]:
        if not grad_out.numel():
            return tuple(map(torch.zeros_like, ctx.saved_tensors))
        query, key, value, radius, direction, out, offset = ctx.saved_tensors
        heads = query, key, value, out, offset, grad_out.contiguous()
        parts = map_over_heads(lambda g: attend_backward(*(one[g] for one in heads), radius, direction), query)
        *by_head, grad_radius, grad_direction = zip(*parts, strict=True)
        return *(torch.cat(part) for part in by_head), sum(grad_radius), sum(grad_direction)


def map_over_heads(work: Callable[[slice], tuple[Tensor, ...]], query: Tensor) -> list[tuple[Tensor, ...]]:
    """Return the results of `work` for each share of the heads (G, N, d), one share per thread.

    Operations on a tile are too short to be parallelised themselves, but they release Python's global lock.
    """
    heads, count, _ = query.shape
    available = torch.get_num_threads()
    threads = min(available, heads, heads * count**2 // LOGITS_PER_THREAD) if query.device.type == "cpu" else 1
    if threads <= 1:
        return [work(slice(0, heads))]

    def without_grad(share: slice) -> tuple[Tensor, ...]:
        with torch.no_grad():  # gradients are enabled again in a new thread
            return work(share)

    bounds = [heads * part // threads for part in range(threads + 1)]
    shares = [slice(*pair) for pair in itertools.pairwise(bounds)]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(without_grad, shares))
    finally:
        torch.set_num_threads(available)  # threads started later inherit the number that was set last


def attend(query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Return the attention (G, N, d_v), and -log2 of each sum of weights (G, N, 1), which the backward pass needs."""
    scaled, keys = query * (LOG2_E / math.sqrt(query.shape[-1])), key.mT
    workspace = Workspace(query, 1)
    shift = row_shift(scaled, key, radius, direction, workspace)
    sums, out = torch.zeros_like(scaled[..., :1]), torch.zeros_like(value)
    for rows, columns, phi in tiles(query, radius, direction):
        for g in workspace.groups:
            (weights,) = workspace.views(g, phi)
            torch.bmm(scaled[g, rows], keys[g, :, columns], out=weights).mul_(phi)
            if shift is not None:
                weights -= shift[g, rows]
            sums[g, rows] += weights.exp2_().sum(dim=-1, keepdim=True)
            out[g, rows].baddbmm_(weights, value[g, columns])
    out /= sums
    offset = sums.log2_() if shift is None else sums.log2_().add_(shift)
    return out, offset.neg_()


def attend_backward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    offset: Tensor,
    grad_out: Tensor,
    radius: Tensor,
    direction: Tensor,
) -> tuple[Tensor, ...]:
    """Return the gradients with respect to query, key and value (G, N, d), radius (N,) and direction (N, 2)."""
    scale = 1 / math.sqrt(query.shape[-1])
    scaled, keys, values = query * (LOG2_E * scale), key.mT, value.mT
    # (d, M) (M, N) is twice as fast as (N, M) (M, d)
    queries_t, grad_out_t = scaled.mT.contiguous(), grad_out.mT.contiguous()
    mean = (grad_out * out).sum(dim=-1, keepdim=True).neg_()
    grad_query, grad_keys, grad_values = torch.zeros_like(query), zeros_t(key), zeros_t(value)
    grad_radius, grad_direction = torch.zeros_like(radius), zeros_t(direction)
    workspace = Workspace(query, 3)
    for rows, columns, phi in tiles(query, radius, direction):
        grad_phi = torch.zeros_like(phi)
        for g in workspace.groups:
            base, weights, grad = workspace.views(g, phi)
            torch.bmm(scaled[g, rows], keys[g, :, columns], out=base)
            torch.addcmul(offset[g, rows], base, phi, out=weights).exp2_()
            grad_values[g, :, columns].baddbmm_(grad_out_t[g, :, rows], weights)
            torch.bmm(grad_out[g, rows], values[g, :, columns], out=grad)
            grad.add_(mean[g, rows]).mul_(weights)  # gradient of the logits
            grad_phi += base.mul_(grad).sum(dim=0)
            grad.mul_(phi)
            grad_query[g, rows].baddbmm_(grad, key[g, columns])
            grad_keys[g, :, columns].baddbmm_(queries_t[g, :, rows], grad)
        accumulate_polar_gradient(rows, columns, phi, grad_phi, radius, direction, grad_radius, grad_direction)
    in_base_2 = grad_keys.mT, grad_radius, grad_direction.mT
    return grad_query.mul_(scale), in_base_2[0].div_(LOG2_E), grad_values.mT, *(g.div_(LOG2_E) for g in in_base_2[1:])


def row_shift(scaled: Tensor, key: Tensor, radius: Tensor, direction: Tensor, workspace: "Workspace") -> Tensor | None:
    """Return the largest logit of each query (G, N, 1), to be subtracted; None if no power of two can overflow."""
    bound = scaled.norm(dim=-1).amax() * key.norm(dim=-1).amax()  # of |q k|; the modulation is at most 1
    if bound <= SAFE_EXPONENT:
        return None
    largest = torch.full_like(scaled[..., :1], -math.inf)
    for rows, columns, phi in tiles(scaled, radius, direction):
        for g in workspace.groups:
            (logits,) = workspace.views(g, phi)
            torch.bmm(scaled[g, rows], key.mT[g, :, columns], out=logits).mul_(phi)
            largest[g, rows] = torch.maximum(largest[g, rows], logits.amax(dim=-1, keepdim=True))
    return largest


def accumulate_polar_gradient(
    rows: slice,
    columns: slice,
    phi: Tensor,
    grad_phi: Tensor,
    radius: Tensor,
    direction: Tensor,
    grad_radius: Tensor,
    grad_direction: Tensor,
) -> None:
    """Add the gradients that `grad_phi` (M, N) of `polar_map` causes to `grad_radius` and `grad_direction`, in place.

    `grad_phi` is overwritten. `grad_radius` is (N,), `grad_direction` is (2, N).
    """
    difference = radius[rows, None] - radius[None, columns]
    decay = (difference.abs() + 1).reciprocal_()
    grad_cosine = grad_phi * decay
    for axis in range(2):
        grad_direction[axis, rows] += grad_cosine @ direction[columns, axis]
        grad_direction[axis, columns] += direction[rows, axis] @ grad_cosine
    grad_difference = grad_phi.mul_(phi).mul_(decay).mul_(difference.sign_()).neg_()
    grad_radius[rows] += grad_difference.sum(dim=1)
    grad_radius[columns] -= grad_difference.sum(dim=0)


def tiles(query: Tensor, radius: Tensor, direction: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield blocks of queries and keys that cover all pairs, each with its polar map (M, N)."""
    count, tiling = query.shape[1], tiling_of(query)
    for row in range(0, count, tiling.rows):
        for column in range(0, count, tiling.columns):
            m, n = slice(row, row + tiling.rows), slice(column, column + tiling.columns)
            yield m, n, polar_map(radius[m], direction[m], radius[n], direction[n])


def tiling_of(tensor: Tensor) -> Tiling:
    """Return the tiling for the tensor's device."""
    return CPU_TILING if tensor.device.type == "cpu" else GPU_TILING


class Workspace:
    """Memory for a few tiles of logits, reused by each group of heads.

    Args:
        query: (G, N, d).
        count: number of tiles.
    """

    def __init__(self, query: Tensor, count: int) -> None:
        heads, tokens, _ = query.shape
        tiling = tiling_of(query)
        pairs = min(tokens, tiling.rows) * min(tokens, tiling.columns)
        group = max(1, min(heads, tiling.elements // pairs))
        self.groups = [slice(first, min(first + group, heads)) for first in range(0, heads, group)]
        self.memory = query.new_empty(count, group * pairs)

    def views(self, group: slice, phi: Tensor) -> list[Tensor]:
        """Return tiles (heads of the group, M, N) for a polar map (M, N)."""
        heads = group.stop - group.start
        return [one[: heads * phi.numel()].view(heads, *phi.shape) for one in self.memory]


def zeros_t(tensor: Tensor) -> Tensor:
    """Return zeros of the transposed shape, contiguous in memory."""
    return torch.zeros_like(tensor.mT, memory_format=torch.contiguous_format)
