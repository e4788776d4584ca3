"""The LightningModule of every model, loss and phase representation."""

from collections.abc import Sequence

import lightning as L
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from ptycho_bench.losses.base import Loss
from ptycho_bench.network.network import PtychoNetwork
from ptycho_bench.network.sample import Prediction, PtychoSample
from ptycho_bench.training.compute_options import ComputeOptions
from ptycho_bench.training.metrics import LossTermMeans, compare_by_scan
from ptycho_bench.training.recipe import Recipe

IN_PROGRESS_BAR = ("val_total", "val_amplitude_psnr_db", "val_phase_psnr_db")


class PtychoModule(L.LightningModule):
    """Trains a network on encoded amplitude and phase.

    After each validation, `epoch_terms` contains the epoch's values: each loss term under its name with the prefix
    `train_` or `val_`, and each metric with the prefix `val_`. If a term and a metric share a name, the term ends in
    `_loss`.

    Args:
        network: network to train.
        networks: for each scan, the network whose representations and scaling its samples were encoded with.
        loss: loss to minimise; already attached to its probe if it needs one.
        recipe: epochs, batch size, optimiser and schedule.
        metrics: metrics of the validation part, see `training.metrics.validation_metrics`.
        description: plain dict kept in the checkpoint; with it and the weights, the network can be rebuilt.
        options: memory layout, compilation and kernels.
    """

    def __init__(
        self,
        *,
        network: PtychoNetwork,
        networks: Sequence[PtychoNetwork],
        loss: Loss,
        recipe: Recipe,
        metrics: MetricCollection,
        description: dict,
        options: ComputeOptions,
    ) -> None:
        super().__init__()
        self.network = options.apply(network, network.model)
        self.scan_networks = list(networks)  # in a list, so that weights are not registered twice
        self.make_optimizer = options.optimizer_factory(recipe.optimizer)
        self.loss = loss
        self.recipe = recipe
        self.description = description
        self.train_means, self.val_means, self.metrics = LossTermMeans(), LossTermMeans(), metrics
        self.epoch_terms: dict[str, float] = {}

    def loss_terms(self, batch: PtychoSample, means: LossTermMeans) -> tuple[Prediction, dict[str, Tensor]]:
        """Prediction and loss terms of a batch; the terms are also added to the epoch's means."""
        pred = self.network.predictions(batch.network_input)
        with torch.autocast(self.device.type, enabled=False):  # SSIM's variances cancel in half precision
            terms = self.loss(pred, batch.target)
        means.update(terms, len(batch.network_input) if batch.weight else 0)
        return pred, terms

    def training_step(self, batch: PtychoSample, batch_index: int) -> Tensor:
        _, terms = self.loss_terms(batch, self.train_means)
        return terms["total"] * batch.weight

    def validation_step(self, batch: PtychoSample, batch_index: int) -> None:
        pred, _ = self.loss_terms(batch, self.val_means)
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            images = compare_by_scan(self.scan_networks, pred, batch.target)
            self.metrics.update(images, 1.0 if batch.weight else 0.0)

    def on_validation_epoch_end(self) -> None:
        values = self.named_means("train", self.train_means) | self.named_means("val", self.val_means)
        values |= self.metrics.compute()
        read = torch.stack(list(values.values())).tolist()  # the only device read of an epoch
        self.epoch_terms |= dict(zip(values, read, strict=True))
        for metric in (self.train_means, self.val_means, self.metrics):
            metric.reset()
        shown = {name: self.epoch_terms[name] for name in IN_PROGRESS_BAR}
        self.log_dict(shown, batch_size=1, prog_bar=True, logger=False)

    def named_means(self, part: str, means: LossTermMeans) -> dict[str, Tensor]:
        """Means of the loss terms by the names of their columns; empty if the part has not been run."""
        if not means.update_called:
            return {}
        shared = set(self.metrics.keys(keep_base=True))
        means_by_name = means.compute().items()
        return {f"{part}_{name}" + "_loss" * (name in shared): value for name, value in means_by_name}

    def configure_optimizers(self) -> dict:
        optimizer = self.make_optimizer(self.parameters())
        steps = self.trainer.estimated_stepping_batches // self.recipe.epochs
        schedule = self.recipe.schedule(optimizer, steps_per_epoch=steps)
        if schedule is None:
            return {"optimizer": optimizer}
        # The schedule is stepped with the last batch of an epoch, after validation (for a plateau) and before the
        # checkpoint, so that a resumed run continues exactly.
        scheduler, every = schedule
        plan = {"scheduler": scheduler, "interval": "step", "frequency": every, "monitor": "val_total"}
        return {"optimizer": optimizer, "lr_scheduler": plan}

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["ptycho_bench"] = self.description
