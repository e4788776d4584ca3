"""A scan as Lightning sees it: split, transformed and encoded once, kept on the device."""

import lightning as L
import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.loader import BatchLoader
from ptycho_bench.data.neighbours import neighbour_table
from ptycho_bench.data.sample import PtychoScan, Target
from ptycho_bench.data.split import Split
from ptycho_bench.network import PtychoNetwork


class PtychoDataModule(L.LightningDataModule):
    """Training and validation batches of one scan. Neither sees a pattern outside these two parts, not as a neighbour.

    Args:
        scan: the scan.
        split: its parts.
        network: whose input transform and representations are applied, once.
        with_intensity: keep the measured patterns for a loss that compares with them.
        batch_size: samples of one step, over all processes.
        seed: of the order of the training samples.
    """

    def __init__(
        self,
        *,
        scan: PtychoScan,
        split: Split,
        network: PtychoNetwork,
        with_intensity: bool,
        batch_size: int,
        seed: int,
    ) -> None:
        super().__init__()
        known = np.sort(np.concatenate((split.train, split.validation)))
        transform = network.input_transform
        intensity, amplitude, phase = scan.tensors(known)
        self.patterns = transform(intensity)
        self.parts: dict[str, tuple[Tensor, Target]] = {}
        for name in ("train", "validation"):
            points = getattr(split, name)
            seen = neighbour_table(scan.scan_index, points, transform.neighbours, known)
            own = torch.from_numpy(np.searchsorted(known, points))
            measured = intensity[own] if with_intensity else None
            self.parts[name] = seen, network.target(amplitude[own], phase[own], measured)
        self.batch_size, self.seed = batch_size, seed

    def loader(self, part: str, seed: int | None) -> BatchLoader:
        """Batches of one part, on the trainer's device."""
        device = self.trainer.strategy.root_device
        self.patterns = self.patterns.to(device)
        seen, target = self.parts[part]
        self.parts[part] = seen.to(device), target.map(lambda tensor: tensor.to(device))
        return BatchLoader(
            self.patterns,
            *self.parts[part],
            batch_size=self.batch_size,
            seed=seed,
            epoch=lambda: self.trainer.current_epoch,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
        )

    def train_dataloader(self) -> BatchLoader:
        return self.loader("train", self.seed)

    def val_dataloader(self) -> BatchLoader:
        return self.loader("validation", None)

    def transfer_batch_to_device(self, batch: object, device: torch.device, dataloader_idx: int) -> object:
        return batch  # it lies there already
