"""A scan as Lightning sees it: split, transformed and encoded once, kept on the device."""

from collections.abc import Callable

import lightning as L
import torch
from torch import Tensor

from ptycho_bench.data.loader import BatchLoader
from ptycho_bench.data.sample import Heads, PtychoScan
from ptycho_bench.data.split import Split


class PtychoDataModule(L.LightningDataModule):
    """Training and validation batches of one scan.

    Args:
        scan: the scan.
        split: its parts.
        transform: intensity (n, H, W) to network input; applied once.
        encode: amplitude and phase (n, H, W) to the heads to be predicted; applied once.
        batch_size: samples of one step, over all processes.
        seed: of the order of the training samples.
    """

    def __init__(
        self,
        *,
        scan: PtychoScan,
        split: Split,
        transform: Callable[[Tensor], Tensor],
        encode: Callable[[Tensor, Tensor], Heads],
        batch_size: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.parts: dict[str, tuple[Tensor, Heads]] = {}
        for name in ("train", "validation"):
            intensity, amplitude, phase = scan.tensors(getattr(split, name))
            self.parts[name] = transform(intensity), encode(amplitude, phase)
        self.batch_size, self.seed = batch_size, seed

    def loader(self, part: str, seed: int | None) -> BatchLoader:
        """Batches of one part, on the trainer's device."""
        device = self.trainer.strategy.root_device
        network_input, target = self.parts[part]
        self.parts[part] = network_input.to(device), Heads(*(head.to(device) for head in target))
        network_input, target = self.parts[part]
        return BatchLoader(
            network_input,
            target,
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
