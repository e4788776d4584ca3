"""A scan as Lightning sees it: split, transformed and encoded once, kept on the device."""

from collections.abc import Callable

import lightning as L
import numpy as np
import torch
from torch import Tensor

from ptycho_bench.data.loader import BatchLoader
from ptycho_bench.data.sample import Heads, PtychoScan
from ptycho_bench.data.scaling import Scaling
from ptycho_bench.data.split import Split


def scaling_of(scan: PtychoScan, points: np.ndarray) -> Scaling:
    """Ranges of the given scan points, the training part."""
    return Scaling.of(diffraction=scan.diffraction[points], amplitude=scan.amplitude[points], phase=scan.phase[points])


def tensors(scan: PtychoScan, points: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Intensity (photons), amplitude and phase (radians) of the given scan points, float32 (n, H, W)."""
    arrays = (scan.diffraction, scan.amplitude, scan.phase)
    return tuple(torch.from_numpy(np.ascontiguousarray(array[points], np.float32)) for array in arrays)


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
            intensity, amplitude, phase = tensors(scan, getattr(split, name))
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
