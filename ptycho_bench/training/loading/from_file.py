"""Batches of a set that does not fit into memory: blocks from the file, mixed in a buffer that never grows."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.split import SplitScan
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import PtychoSample
from ptycho_bench.training.loading.batches import share_of
from ptycho_bench.training.loading.blocks import PartBlocks, Samples, scan_parts
from ptycho_bench.training.loading.prefetch import prefetched

# Block and buffer set the order of the training samples: with other values, raise TRAINING_VERSION.
BLOCK_SAMPLES = 256
BUFFER_BYTES = 2**29
BLOCKS_IN_BUFFER = 8  # at least, or nothing would mix; large patterns come in smaller blocks
BATCHES_AHEAD = 8


class ShuffleBuffer:
    """Up to `capacity` samples, taken out in order or at random.

    Args:
        capacity: samples.
        like: some samples, for shapes and types.
    """

    def __init__(self, capacity: int, like: Samples) -> None:
        self.rows = like.map(lambda tensor: tensor.new_empty((capacity, *tensor.shape[1:])))
        self.filled = np.empty(0, np.int64)  # rows in use, in the order they came
        self.free = np.arange(capacity)

    def fits(self, samples: Samples) -> bool:
        """True where there is room."""
        return len(samples.network_input) <= len(self.free)

    def add(self, samples: Samples) -> None:
        """Copy samples in."""
        taken, self.free = np.split(self.free, [len(samples.network_input)])
        for kept, new in zip(tensors(self.rows), tensors(samples), strict=True):
            kept[torch.from_numpy(taken)] = new
        self.filled = np.concatenate((self.filled, taken))

    def draw(self, count: int, generator: np.random.Generator | None) -> Tensor:
        """Rows of up to `count` samples, at random; without a generator those that came first. They are free now, but
        hold their values until the next `add`."""
        count = min(count, len(self.filled))
        places = np.arange(count) if generator is None else generator.choice(len(self.filled), count, replace=False)
        drawn = self.filled[places]
        self.filled = np.delete(self.filled, places)
        self.free = np.concatenate((self.free, drawn))
        return torch.from_numpy(drawn)


def tensors(samples: Samples) -> list[Tensor]:
    """The tensors there are."""
    return [tensor for tensor in (samples.network_input, *samples.target) if tensor is not None]


class StreamLoader:
    """Iterates over `PtychoSample` batches as `BatchLoader` does; a thread reads, prepares and mixes ahead.

    Every process reads every block and takes its share of each batch.

    Args:
        blocks: the part's samples.
        capacity: samples of the shuffle buffer; at least a block and a batch are taken, and where the order is kept no
            more.
        device: where batches go.
        batch_size: samples of one step, over all processes.
        seed: of the order of blocks and of the draws from the buffer; None keeps the order.
        epoch: called at the start of each pass; with the seed it fixes the order, so a resumed run repeats it.
        rank: this process.
        world_size: number of processes.
    """

    def __init__(
        self,
        blocks: PartBlocks,
        *,
        capacity: int,
        device: torch.device,
        batch_size: int,
        seed: int | None = None,
        epoch: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < world_size:
            raise ValueError(f"batch_size must be at least the {world_size} processes, got {batch_size}")
        self.blocks, self.device, self.batch_size = blocks, device, batch_size
        wanted = 0 if seed is None else min(capacity, blocks.samples)
        self.capacity = max(wanted, blocks.size + batch_size)
        self.seed, self.epoch = seed, epoch
        self.rank, self.world_size = rank, world_size

    def __len__(self) -> int:
        return math.ceil(self.blocks.samples / self.batch_size)

    def __iter__(self) -> Iterator[PtychoSample]:
        generator = None if self.seed is None else np.random.default_rng([self.seed, self.epoch()])
        with closing(prefetched(lambda: self.batches(generator), BATCHES_AHEAD)) as batches:
            for (network_input, target), weight in batches:
                yield PtychoSample(self.moved(network_input), target.map(self.moved), weight)

    def moved(self, tensor: Tensor) -> Tensor:
        """On the device; from pinned memory without waiting for it."""
        return tensor.to(self.device, non_blocking=tensor.is_pinned())

    def batches(self, generator: np.random.Generator | None) -> Iterator[tuple[Samples, float]]:
        """This process' share of every batch, on the CPU, and its weight.

        Drawing begins at a quarter of the buffer, and each block that still fits costs one batch, so that the device
        need not wait for a full one.
        """
        buffer = None
        for number in self.order(generator):
            samples = self.blocks.read(number)
            buffer = buffer or ShuffleBuffer(self.capacity, samples)
            while not buffer.fits(samples):
                yield self.batch(buffer, generator)
            buffer.add(samples)
            if len(buffer.filled) >= max(self.capacity // 4, self.batch_size):
                yield self.batch(buffer, generator)
        while buffer and len(buffer.filled):
            yield self.batch(buffer, generator)

    def order(self, generator: np.random.Generator | None) -> list[int]:
        """Numbers of the blocks, in this pass's order."""
        numbers = np.arange(len(self.blocks))
        return (numbers if generator is None else generator.permutation(numbers)).tolist()

    def batch(self, buffer: ShuffleBuffer, generator: np.random.Generator | None) -> tuple[Samples, float]:
        """The next batch's share."""
        share, weight = share_of(buffer.draw(self.batch_size, generator), self.rank, self.world_size)
        samples = buffer.rows.map(lambda tensor: tensor[share])
        return samples.map(Tensor.pin_memory) if self.device.type == "cuda" else samples, weight


class StreamedSamples:
    """Training and validation samples that stay in the file; memory does not depend on how many they are.

    Args:
        scans: one or more, each with its split; opened, not read.
        networks: for each scan the network whose input transform and representations are applied to it.
        with_intensity: keep the measured patterns for a loss that compares with them.
    """

    def __init__(self, scans: Sequence[SplitScan], networks: Sequence[PtychoNetwork], *, with_intensity: bool) -> None:
        self.parts = {
            name: scan_parts(scans, networks, name, with_intensity=with_intensity) for name in ("train", "validation")
        }

    def loader(self, part: str, device: torch.device, **order: object) -> StreamLoader:
        """Batches of `train` or `validation` on a device; see `StreamLoader` for what orders them."""
        parts = self.parts[part]
        one = parts[0].read(slice(0, 1))
        buffered = BUFFER_BYTES // sum(tensor.nbytes for tensor in tensors(one))
        size = max(1, min(BLOCK_SAMPLES, buffered // BLOCKS_IN_BUFFER))
        return StreamLoader(PartBlocks(parts, size), capacity=buffered, device=device, **order)
