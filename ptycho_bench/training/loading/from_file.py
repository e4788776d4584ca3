"""Batches of a set that does not fit into memory: blocks of the file are mixed in a buffer of constant size."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.split import SplitScan
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import PtychoSample
from ptycho_bench.training.loading.batches import check_batch_size, share_of
from ptycho_bench.training.loading.blocks import PartBlocks, Samples, scan_parts
from ptycho_bench.training.loading.prefetch import prefetched

# Block and buffer determine the order of the training samples: raise PROTOCOL_VERSION if these values change.
BLOCK_SAMPLES = 256
BUFFER_BYTES = 2**29
BLOCKS_IN_BUFFER = 8  # at least, since fewer would hardly mix; large patterns come in smaller blocks
BATCHES_AHEAD = 8


class ShuffleBuffer:
    """Holds up to `capacity` samples, which are drawn in order or at random.

    Args:
        capacity: number of samples.
        like: samples whose shapes and types the buffer takes.
    """

    def __init__(self, capacity: int, like: Samples) -> None:
        self.rows = like.map(lambda tensor: tensor.new_empty((capacity, *tensor.shape[1:])))
        self.filled = np.empty(0, np.int64)  # rows in use, in order of arrival
        self.free = np.arange(capacity)

    def fits(self, samples: Samples) -> bool:
        """Return True if there is room for the samples."""
        return len(samples.network_input) <= len(self.free)

    def add(self, samples: Samples) -> None:
        """Copy samples into the buffer."""
        taken, self.free = np.split(self.free, [len(samples.network_input)])
        for kept, new in zip(self.rows.tensors(), samples.tensors(), strict=True):
            kept[torch.from_numpy(taken)] = new
        self.filled = np.concatenate((self.filled, taken))

    def draw(self, count: int, generator: np.random.Generator | None) -> Tensor:
        """Remove up to `count` samples and return their rows, which keep their values until the next `add`.

        Args:
            count: number of samples.
            generator: draws the samples at random; None takes those that arrived first.
        """
        count = min(count, len(self.filled))
        places = np.arange(count) if generator is None else generator.choice(len(self.filled), count, replace=False)
        drawn = self.filled[places]
        self.filled = np.delete(self.filled, places)
        self.free = np.concatenate((self.free, drawn))
        return torch.from_numpy(drawn)


class FileLoader:
    """Iterates over `PtychoSample` batches, as `BatchLoader` does; a thread reads, prepares and mixes samples ahead.

    Every process reads every block and takes its share of each batch.

    Args:
        blocks: samples of the part.
        capacity: number of samples in the shuffle buffer. It is raised to at least a block and a batch, and ignored if
            the order is kept.
        device: device of the batches.
        batch_size: number of samples in one step, over all processes.
        seed: seed of the order of blocks and of the draws from the buffer; None keeps the order.
        epoch: called at the start of each pass; it fixes the order together with the seed, so that a resumed run
            repeats it.
        steps: number of batches in a pass; the file is read again, with its blocks in a new order, or left early to
            reach it, so that every batch is full. None takes every sample once.
        rank: index of this process.
        world_size: number of processes.

    Raises:
        ValueError: If the batch is smaller than the number of processes.
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
        steps: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        check_batch_size(batch_size, world_size)
        self.blocks, self.device, self.batch_size = blocks, device, batch_size
        useful = 0 if seed is None else min(capacity, blocks.samples)
        self.capacity = max(useful, blocks.size + batch_size)
        self.seed, self.epoch, self.steps = seed, epoch, steps
        self.rank, self.world_size = rank, world_size

    def __len__(self) -> int:
        return self.steps or math.ceil(self.blocks.samples / self.batch_size)

    def __iter__(self) -> Iterator[PtychoSample]:
        generator = None if self.seed is None else np.random.default_rng([self.seed, self.epoch()])
        with closing(prefetched(lambda: islice(self.batches(generator), len(self)), BATCHES_AHEAD)) as batches:
            for (network_input, target), weight in batches:
                yield PtychoSample(self.to_device(network_input), target.map(self.to_device), weight)

    def to_device(self, tensor: Tensor) -> Tensor:
        """Copy a tensor to the device; the copy of a pinned tensor runs asynchronously."""
        return tensor.to(self.device, non_blocking=tensor.is_pinned())

    def batches(self, generator: np.random.Generator | None) -> Iterator[tuple[Samples, float]]:
        """Yield this process's share of each batch, on the CPU, with its weight; without end, for the caller to stop.

        Drawing starts when a quarter of the buffer is filled, and from then on one batch is drawn for each block that
        still fits, so that the device does not wait until the buffer is full. At the end of the file the buffer is
        emptied; if a number of steps is set, the samples of an incomplete batch stay in it for the next reading.
        """
        buffer = None
        fewest = 1 if self.steps is None else self.batch_size
        while True:
            for number in self.order(generator):
                samples = self.blocks.read(number)
                buffer = buffer or ShuffleBuffer(self.capacity, samples)
                while not buffer.fits(samples):
                    yield self.batch(buffer, generator)
                buffer.add(samples)
                if len(buffer.filled) >= max(self.capacity // 4, self.batch_size):
                    yield self.batch(buffer, generator)
            while len(buffer.filled) >= fewest:
                yield self.batch(buffer, generator)

    def order(self, generator: np.random.Generator | None) -> list[int]:
        """Numbers of the blocks in the order of this pass."""
        numbers = np.arange(len(self.blocks))
        return (numbers if generator is None else generator.permutation(numbers)).tolist()

    def batch(self, buffer: ShuffleBuffer, generator: np.random.Generator | None) -> tuple[Samples, float]:
        """Draw the next batch and return this process's share with its weight."""
        share, weight = share_of(buffer.draw(self.batch_size, generator), self.rank, self.world_size)
        samples = buffer.rows.map(lambda tensor: tensor[share])
        return samples.map(Tensor.pin_memory) if self.device.type == "cuda" else samples, weight


class FileSamples:
    """Training and validation samples that stay in the file, in memory that does not grow with their number.

    Args:
        scans: one or more scans with their splits, opened but not read.
        networks: for each scan, the network whose input transform and representations are applied to it.
        with_intensity: keep the measured patterns, for a loss that compares with them.
    """

    def __init__(self, scans: Sequence[SplitScan], networks: Sequence[PtychoNetwork], *, with_intensity: bool) -> None:
        self.parts = {
            name: scan_parts(scans, networks, name, with_intensity=with_intensity) for name in ("train", "validation")
        }

    def loader(self, part: str, device: torch.device, **order: object) -> FileLoader:
        """Return batches of `train` or `validation` on a device.

        Args:
            part: `train` or `validation`.
            device: device of the batches.
            order: batch size, order and processes, see `FileLoader`.
        """
        parts = self.parts[part]
        one = parts[0].read(slice(0, 1))
        buffered = BUFFER_BYTES // sum(tensor.nbytes for tensor in one.tensors())
        size = max(1, min(BLOCK_SAMPLES, buffered // BLOCKS_IN_BUFFER))
        return FileLoader(PartBlocks(parts, size), capacity=buffered, device=device, **order)
