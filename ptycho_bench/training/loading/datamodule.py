"""Scans as Lightning sees them: batches of samples that are kept on the device, or stream from the file."""

from collections.abc import Sequence

import lightning as L
import torch

from ptycho_bench.data.split import SplitScan
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.training.loading.batches import BatchLoader
from ptycho_bench.training.loading.from_file import StreamedSamples, StreamLoader
from ptycho_bench.training.loading.in_memory import ResidentSamples


class PtychoDataModule(L.LightningDataModule):
    """Training and validation batches of one scan, or mixed of several.

    Args:
        scans: one or more, each with its split.
        networks: for each scan the network whose input transform and representations are applied to it.
        with_intensity: keep the measured patterns for a loss that compares with them.
        batch_size: samples of one step, over all processes.
        seed: of the order of the training samples.
        streamed: read samples from the scans in every epoch; False: prepare all once and keep them.
    """

    def __init__(
        self,
        *,
        scans: Sequence[SplitScan],
        networks: Sequence[PtychoNetwork],
        with_intensity: bool,
        batch_size: int,
        seed: int,
        streamed: bool,
    ) -> None:
        super().__init__()
        kept = StreamedSamples if streamed else ResidentSamples
        self.samples = kept(scans, networks, with_intensity=with_intensity)
        self.batch_size, self.seed, self.streamed = batch_size, seed, streamed

    def loader(self, part: str, seed: int | None) -> BatchLoader | StreamLoader:
        """Batches of one part, on the trainer's device."""
        return self.samples.loader(
            part,
            self.trainer.strategy.root_device,
            batch_size=self.batch_size,
            seed=seed,
            epoch=lambda: self.trainer.current_epoch,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )

    def train_dataloader(self) -> BatchLoader | StreamLoader:
        return self.loader("train", self.seed)

    def val_dataloader(self) -> BatchLoader | StreamLoader:
        return self.loader("validation", None)

    def transfer_batch_to_device(self, batch: object, device: torch.device, dataloader_idx: int) -> object:
        return batch  # it lies there already
