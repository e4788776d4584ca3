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
        steps: number of batches in a pass; the samples are repeated, in a new order each time, or left early to reach
            it, so that every batch is full. None takes every sample once.
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
        steps: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        check_batch_size(batch_size, world_size)
        self.patterns, self.seen, self.target = patterns, seen, target
        self.batch_size, self.seed, self.epoch, self.steps = batch_size, seed, epoch, steps
        self.rank, self.world_size = rank, world_size

    def __len__(self) -> int:
        return self.steps or math.ceil(len(self.seen) / self.batch_size)

    def order(self) -> Tensor:
        """Order of the samples in this pass, int64: (N,), or as many as all steps take."""
        count = len(self.seen)
        wanted = count if self.steps is None else self.steps * self.batch_size
        repeats = math.ceil(wanted / count)
        if self.seed is None:
            return torch.arange(count).repeat(repeats)[:wanted]
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch())
        return torch.cat([torch.randperm(count, generator=generator) for _ in range(repeats)])[:wanted]

    def __iter__(self) -> Iterator[PtychoSample]:
        order = self.order().to(self.patterns.device)
        for batch in order.split(self.batch_size):
            share, weight = share_of(batch, self.rank, self.world_size)
            network_input = gather(self.patterns, self.seen[share])
            yield PtychoSample(network_input, self.target.map(lambda part, share=share: part[share]), weight)
