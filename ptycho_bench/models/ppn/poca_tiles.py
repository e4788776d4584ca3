"""Polar coordinate attention tile by tile, for a CPU: no N x N map is ever whole; the backward pass computes it again.

Weights are powers of two of logits, exp2 being the cheapest exponential there is, and are summed up before they are
divided, so that tiles of keys need not know of each other. With weights W = exp2(L Phi) / s and
L = Q K^T log2(e) / sqrt(d), the gradients are those of FlashAttention (Dao et al., arXiv:2205.14135), and the map's.
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
SAFE_EXPONENT = 100.0  # 2**100 times a million keys is still a float32
WORTH_A_THREAD = 1 << 20  # logits


@dataclass(frozen=True)
class Tiling:
    """Most of a tile: queries, keys, and logits over all heads at once."""

    rows: int
    columns: int
    elements: int


CPU_TILING = Tiling(
    rows=128, columns=1024, elements=1 << 19
)  # short enough for the cache, long enough to be worth a call
GPU_TILING = Tiling(rows=4096, columns=4096, elements=1 << 26)  # where each tile costs a launch: 256 MiB a map


class TiledPoCA(torch.autograd.Function):
    """`poca_reference`, the same arguments, memory linear in N. On a CPU each thread takes heads of its own."""

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> Tensor:
        if not query.numel():  # no pattern, nothing to attend to
            ctx.save_for_backward(query, key, value, radius, direction)
            return value.clone()
        parts = shared(lambda g: attend(query[g], key[g], value[g], radius, direction), query)
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
        parts = shared(lambda g: attend_backward(*(one[g] for one in heads), radius, direction), query)
        *by_head, grad_radius, grad_direction = zip(*parts, strict=True)
        return *(torch.cat(part) for part in by_head), sum(grad_radius), sum(grad_direction)


def shared(work: Callable[[slice], tuple[Tensor, ...]], query: Tensor) -> list[tuple[Tensor, ...]]:
    """What the work gives for each share of the heads (G, N, d): one a thread, where there is enough of it.

    Operations on a tile are too short to be split over threads themselves; they release Python's lock.
    """
    heads, count, _ = query.shape
    most = torch.get_num_threads()
    threads = min(most, heads, heads * count**2 // WORTH_A_THREAD) if query.device.type == "cpu" else 1
    if threads <= 1:
        return [work(slice(0, heads))]

    def alone(share: slice) -> tuple[Tensor, ...]:
        with torch.no_grad():  # a new thread does not know that its caller is inside a function of autograd
            return work(share)

    bounds = [heads * part // threads for part in range(threads + 1)]
    shares = [slice(*pair) for pair in itertools.pairwise(bounds)]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(alone, shares))
    finally:
        torch.set_num_threads(most)  # torch gives the number set last to every thread that is started later


def attend(query: Tensor, key: Tensor, value: Tensor, radius: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Attention (G, N, d_v), and what makes weights of logits in the backward pass: -log2 of their sum (G, N, 1)."""
    scaled, keys = query * (LOG2_E / math.sqrt(query.shape[-1])), key.mT
    room = Workspace(query, 1)
    shift = row_shift(scaled, key, radius, direction, room)
    sums, out = torch.zeros_like(scaled[..., :1]), torch.zeros_like(value)
    for rows, columns, phi in tiles(query, radius, direction):
        for g in room.groups:
            (weights,) = room.views(g, phi)
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
    """Gradients to query, key, value (G, N, d), radius (N,), direction (N, 2)."""
    scale = 1 / math.sqrt(query.shape[-1])
    scaled, keys, values = query * (LOG2_E * scale), key.mT, value.mT
    queries_t, grad_out_t = scaled.mT.contiguous(), grad_out.mT.contiguous()  # (d, M) (M, N) is twice (N, M) (M, d)
    mean = (grad_out * out).sum(dim=-1, keepdim=True).neg_()
    grad_query, grad_keys, grad_values = torch.zeros_like(query), zeros_t(key), zeros_t(value)
    grad_radius, grad_direction = torch.zeros_like(radius), zeros_t(direction)
    room = Workspace(query, 3)
    for rows, columns, phi in tiles(query, radius, direction):
        grad_phi = torch.zeros_like(phi)
        for g in room.groups:
            base, weights, grad = room.views(g, phi)
            torch.bmm(scaled[g, rows], keys[g, :, columns], out=base)
            torch.addcmul(offset[g, rows], base, phi, out=weights).exp2_()
            grad_values[g, :, columns].baddbmm_(grad_out_t[g, :, rows], weights)
            torch.bmm(grad_out[g, rows], values[g, :, columns], out=grad)
            grad.add_(mean[g, rows]).mul_(weights)  # that of the logits
            grad_phi += base.mul_(grad).sum(dim=0)
            grad.mul_(phi)
            grad_query[g, rows].baddbmm_(grad, key[g, columns])
            grad_keys[g, :, columns].baddbmm_(queries_t[g, :, rows], grad)
        accumulate_polar_gradient(rows, columns, phi, grad_phi, radius, direction, grad_radius, grad_direction)
    in_base_2 = grad_keys.mT, grad_radius, grad_direction.mT
    return grad_query.mul_(scale), in_base_2[0].div_(LOG2_E), grad_values.mT, *(g.div_(LOG2_E) for g in in_base_2[1:])


def row_shift(scaled: Tensor, key: Tensor, radius: Tensor, direction: Tensor, room: "Workspace") -> Tensor | None:
    """Greatest logit of each query (G, N, 1), to be taken off where powers of two could overflow; None: they cannot."""
    most = scaled.norm(dim=-1).amax() * key.norm(dim=-1).amax()  # of |q k|; the map is at most 1
    if most <= SAFE_EXPONENT:
        return None
    greatest = torch.full_like(scaled[..., :1], -math.inf)
    for rows, columns, phi in tiles(scaled, radius, direction):
        for g in room.groups:
            (logits,) = room.views(g, phi)
            torch.bmm(scaled[g, rows], key.mT[g, :, columns], out=logits).mul_(phi)
            greatest[g, rows] = torch.maximum(greatest[g, rows], logits.amax(dim=-1, keepdim=True))
    return greatest


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
    """Carry a gradient of `polar_map` (M, N) on to radius (N,) and direction (2, N) of queries and keys, in place."""
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
    """All pairs of queries (M,) and keys (N,), a block at a time, with its polar map (M, N)."""
    count, tiling = query.shape[1], tiling_of(query)
    for row in range(0, count, tiling.rows):
        for column in range(0, count, tiling.columns):
            m, n = slice(row, row + tiling.rows), slice(column, column + tiling.columns)
            yield m, n, polar_map(radius[m], direction[m], radius[n], direction[n])


def tiling_of(tensor: Tensor) -> Tiling:
    """That of its device."""
    return CPU_TILING if tensor.device.type == "cpu" else GPU_TILING


class Workspace:
    """Room for a few tiles of logits, used again by each block of heads.

    Args:
        query: (G, N, d).
        count: of tiles.
    """

    def __init__(self, query: Tensor, count: int) -> None:
        heads, tokens, _ = query.shape
        tiling = tiling_of(query)
        pairs = min(tokens, tiling.rows) * min(tokens, tiling.columns)
        group = max(1, min(heads, tiling.elements // pairs))
        self.groups = [slice(first, min(first + group, heads)) for first in range(0, heads, group)]
        self.room = query.new_empty(count, group * pairs)

    def views(self, group: slice, phi: Tensor) -> list[Tensor]:
        """Tiles (heads of the group, M, N), as large as the map."""
        heads = group.stop - group.start
        return [one[: heads * phi.numel()].view(heads, *phi.shape) for one in self.room]


def zeros_t(tensor: Tensor) -> Tensor:
    """Zeros of the transposed shape, in its own memory order."""
    return torch.zeros_like(tensor.mT, memory_format=torch.contiguous_format)
