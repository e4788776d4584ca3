"""Lightning's view of one or several scans: batches kept on the device or streamed from a file."""

from collections.abc import Sequence

import lightning as L
import torch

from ptycho_bench.data.split import SplitScan
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.training.loading.batches import BatchLoader
from ptycho_bench.training.loading.from_file import FileLoader, FileSamples
from ptycho_bench.training.loading.in_memory import InMemorySamples


class PtychoDataModule(L.LightningDataModule):
    """Training and validation batches of one scan, or mixed from several.

    Args:
        scans: one or more scans with their splits.
        networks: for each scan, the network whose input transform and representations are applied to it.
        with_intensity: keep the measured patterns, for a loss that compares with them.
        batch_size: number of samples in one step, over all processes.
        steps_per_epoch: number of training batches in an epoch; None takes every training sample once.
        seed: seed of the order of the training samples.
        streamed: read the samples from the scans in every epoch; False prepares them once and keeps them in memory.
    """

    def __init__(
        self,
        *,
        scans: Sequence[SplitScan],
        networks: Sequence[PtychoNetwork],
        with_intensity: bool,
        batch_size: int,
        steps_per_epoch: int | None,
        seed: int,
        streamed: bool,
    ) -> None:
        super().__init__()
        kind = FileSamples if streamed else InMemorySamples
        self.samples = kind(scans, networks, with_intensity=with_intensity)
        self.batch_size, self.steps_per_epoch, self.seed, self.streamed = batch_size, steps_per_epoch, seed, streamed

    def loader(self, part: str, seed: int | None, steps: int | None) -> BatchLoader | FileLoader:
        """Return batches of `train` or `validation` on the trainer's device, this process's share of each.

        Args:
            part: `train` or `validation`.
            seed: seed of the order; None keeps the order.
            steps: number of batches; None takes every sample once.
        """
        return self.samples.loader(
            part,
            self.trainer.strategy.root_device,
            batch_size=self.batch_size,
            seed=seed,
            epoch=lambda: self.trainer.current_epoch,
            steps=steps,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )

    def train_dataloader(self) -> BatchLoader | FileLoader:
        return self.loader("train", self.seed, self.steps_per_epoch)

    def val_dataloader(self) -> BatchLoader | FileLoader:
        return self.loader("validation", None, None)

    def one_training_pass(self) -> BatchLoader | FileLoader:
        """Return batches of every training sample once, in a fixed random order, all of it in this process."""
        device = self.trainer.strategy.root_device
        return self.samples.loader("train", device, batch_size=self.batch_size, seed=self.seed)

    def transfer_batch_to_device(self, batch: object, device: torch.device, dataloader_idx: int) -> object:
        return batch  # the loaders already put it on the device
