"""Whole batches of tensors that already lie on the device: no worker process, no per-sample Python loop."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ptycho_bench.network.neighbours import gather
from ptycho_bench.network.sample import PtychoSample, Target


def share_of(batch: Tensor, rank: int, world_size: int) -> tuple[Tensor, float]:
    """The samples (B,) of a batch that one of several processes takes, and their weight in the loss."""
    share = batch[rank::world_size]
    if not len(share):  # fewer samples than processes: take part in the step, count for nothing
        return batch[:1], 0.0
    return share, len(share) * world_size / len(batch)


class BatchLoader:
    """Iterates over `PtychoSample` batches, each one gather.

    With several processes every one draws the same order and takes its share of each batch, so that together they
    take the steps one process would; `PtychoSample.weight` evens out unequal shares.

    Args:
        patterns: (M, C, H, W), after the input transform.
        seen: int64 (N, K), the patterns each sample's network input is made of, see `network.neighbours`.
        target: of N samples.
        batch_size: samples of one step, over all processes.
        seed: of the order; None keeps the order.
        epoch: called at the start of each pass; with the seed it fixes the order, so a resumed run repeats it.
        rank: this process.
        world_size: number of processes.
    """

    def __init__(
        self,
        patterns: Tensor,
        seen: Tensor,
        target: Target,
        *,
        batch_size: int,
        seed: int | None = None,
        epoch: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < world_size:
            raise ValueError(f"batch_size must be at least the {world_size} processes, got {batch_size}")
        self.patterns, self.seen, self.target = patterns, seen, target
        self.batch_size, self.seed, self.epoch = batch_size, seed, epoch
        self.rank, self.world_size = rank, world_size

    def __len__(self) -> int:
        return math.ceil(len(self.seen) / self.batch_size)

    def order(self) -> Tensor:
        """This pass's order of the samples, int64 (N,)."""
        count = len(self.seen)
        if self.seed is None:
            return torch.arange(count)
        return torch.randperm(count, generator=torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch()))

    def __iter__(self) -> Iterator[PtychoSample]:
        order = self.order().to(self.patterns.device)
        for batch in order.split(self.batch_size):
            share, weight = share_of(batch, self.rank, self.world_size)
            network_input = gather(self.patterns, self.seen[share])
            yield PtychoSample(network_input, self.target.map(lambda part, share=share: part[share]), weight)
