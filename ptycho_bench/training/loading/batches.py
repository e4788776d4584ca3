"""Batches of tensors that are already on the device, without worker processes or a Python loop over samples."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ptycho_bench.network.neighbours import gather
from ptycho_bench.network.sample import PtychoSample, Target


def share_of(batch: Tensor, rank: int, world_size: int) -> tuple[Tensor, float]:
    """Return one process's share of a batch (B,) of sample indices, and its weight in the loss."""
    share = batch[rank::world_size]
    if not len(share):  # with fewer samples than processes, the process takes part in the step with weight 0
        return batch[:1], 0.0
    return share, len(share) * world_size / len(batch)


def check_batch_size(batch_size: int, world_size: int) -> None:
    """Raise ValueError if a batch has fewer samples than there are processes."""
    if batch_size < world_size:
        raise ValueError(
            f"batch_size must be at least the {world_size} processes, got {batch_size}; raise recipe.batch_size"
        )


class BatchLoader:
    """Iterates over `PtychoSample` batches, each of which is one gather on the device.

    If there are several processes, each draws the same order and takes its share of each batch, so that together they
    take the same steps as one process; `PtychoSample.weight` compensates for unequal shares.

    Args:
        patterns: (M, C, H, W) patterns after the input transform.
        seen: int64 (N, K) indices into `patterns` that form each sample's network input, see `network.neighbours`.
        target: targets of N samples.
        batch_size: number of samples in one step, over all processes.
        seed: seed of the order; None keeps the order.
        epoch: called at the start of each pass; it fixes the order together with the seed, so that a resumed run
            repeats it.
        rank: index of this process.
        world_size: number of processes.

    Raises:
        ValueError: If the batch is smaller than the number of processes.
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
        check_batch_size(batch_size, world_size)
        self.patterns, self.seen, self.target = patterns, seen, target
        self.batch_size, self.seed, self.epoch = batch_size, seed, epoch
        self.rank, self.world_size = rank, world_size

    def __len__(self) -> int:
        return math.ceil(len(self.seen) / self.batch_size)

    def order(self) -> Tensor:
        """Order of the samples in this pass, int64 (N,)."""
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
