"""One LightningModule for any model x loss x phase representation."""

import lightning as L
import torch
from torch import Tensor

from ptycho_bench.losses.base import Loss
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import PtychoSample
from ptycho_bench.training.compute_options import ComputeOptions
from ptycho_bench.training.recipe import Recipe


class EpochMean:
    """Mean of named terms over an epoch and over processes, weighted by samples; reads the device once an epoch."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0.0

    def add(self, terms: dict[str, Tensor], samples: float) -> None:
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach() * samples
        self.count += samples

    def take(self, strategy: L.pytorch.strategies.Strategy) -> dict[str, float]:
        """The means; starts anew."""
        stacked = torch.stack([*self.sums.values(), torch.as_tensor(self.count, device=strategy.root_device)])
        *sums, count = strategy.reduce(stacked, reduce_op="sum").tolist()
        names = list(self.sums)
        self.sums, self.count = {}, 0.0
        return {name: value / count for name, value in zip(names, sums, strict=True)}


class PtychoModule(L.LightningModule):
    """Trains a network on encoded amplitude and phase.

    Args:
        network: what is trained.
        loss: what is minimised; attached to its probe where it needs one.
        recipe: how.
        description: plain dict kept in the checkpoint; with it and the weights the network is rebuilt.
        speed: how it is computed.
    """

    def __init__(self, *, network: PtychoNetwork, loss: Loss, recipe: Recipe, description: dict, speed: ComputeOptions) -> None:
        super().__init__()
        self.network = speed.applied(network, network.model)
        self.make_optimizer = speed.optimizer(recipe.optimizer)
        self.loss = loss
        self.recipe = recipe
        self.description = description
        self.means = {"train": EpochMean(), "val": EpochMean()}
        self.epoch_terms: dict[str, float] = {}

    def terms(self, batch: PtychoSample, part: str) -> dict[str, Tensor]:
        """Loss terms of a batch, also added to the epoch's means."""
        pred = self.network.predictions(batch.network_input)
        with torch.autocast(self.device.type, enabled=False):  # SSIM's variances cancel in half precision
            terms = self.loss(pred, batch.target)
        self.means[part].add(terms, len(batch.network_input) if batch.weight else 0.0)
        return terms

    def training_step(self, batch: PtychoSample, batch_index: int) -> Tensor:
        return self.terms(batch, "train")["total"] * batch.weight

    def validation_step(self, batch: PtychoSample, batch_index: int) -> None:
        self.terms(batch, "val")

    def on_validation_epoch_end(self) -> None:
        for part, mean in self.means.items():
            self.epoch_terms |= {f"{part}_{name}": value for name, value in mean.take(self.trainer.strategy).items()}
        self.log("val_total", self.epoch_terms["val_total"], batch_size=1, prog_bar=True, logger=False)

    def configure_optimizers(self) -> dict:
        optimizer = self.make_optimizer(self.parameters())
        steps = self.trainer.estimated_stepping_batches // self.recipe.epochs
        schedule = self.recipe.schedule(optimizer, steps_per_epoch=steps)
        if schedule is None:
            return {"optimizer": optimizer}
        # stepped with the epoch's last batch, on a plateau after validation, and before the checkpoint: a resumed run
        # goes on exactly
        scheduler, every = schedule
        plan = {"scheduler": scheduler, "interval": "step", "frequency": every, "monitor": "val_total"}
        return {"optimizer": optimizer, "lr_scheduler": plan}

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["ptycho_bench"] = self.description
