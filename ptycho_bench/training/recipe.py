"""Training recipes: epochs, batch size, optimiser, schedule, clipping and the like. Each file of conf/recipe is one."""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler

from ptycho_bench.physics.bounds import Count, Interval, Positive, bounded, check_bounds, kinds_of


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Args:
        epochs: number of epochs; validation, checkpoints and schedules come once per epoch.
        batch_size: number of patterns in one step, over all processes.
        steps_per_epoch: number of optimiser steps in an epoch; the training part is repeated in a new order, or left
            early, to reach it with full batches. None takes one pass over the training part.
        reestimate_batch_norm: after training, replace the running statistics of batch normalisation in the best
            checkpoint by averages over the training part, see `training.batch_norm`.
        optimizer: builds the optimiser from parameters.
        scheduler: builds the learning-rate schedule from an optimiser. A schedule that takes `steps_per_epoch` is
            stepped with every batch, any other once per epoch, with the validation loss if it needs one; null keeps the
            learning rate constant.
        clip_norm: largest norm of the gradient; null does not clip.

    Raises:
        ValueError: If a number is out of bounds, or the optimiser or schedule cannot be built.
    """

    epochs: Count
    batch_size: Count
    steps_per_epoch: Annotated[int, Interval("[1, 1000000]", "null is one pass over the training part")] | None
    reestimate_batch_norm: bool
    optimizer: Callable[..., Optimizer]
    scheduler: Callable[..., LRScheduler] | None
    clip_norm: Annotated[float, Interval("(0, 1e12]", "null does not clip")] | None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            for kind in kinds_of(field.type):
                check_bounds(f"recipe.{field.name}", getattr(self, field.name), kind)
        try:
            self.schedule(self.optimizer([nn.Parameter(torch.zeros(1))]), steps_per_epoch=1)
        except (TypeError, ValueError) as error:
            raise ValueError(f"recipe.optimizer or recipe.scheduler: {error}; check their arguments") from error

    def schedule(self, optimizer: Optimizer, *, steps_per_epoch: int) -> tuple[LRScheduler, int] | None:
        """Return the schedule and the number of batches between its steps; None if there is no schedule."""
        if self.scheduler is None:
            return None
        if "steps_per_epoch" in inspect.signature(self.scheduler).parameters:
            return self.scheduler(optimizer, steps_per_epoch=steps_per_epoch), 1
        return self.scheduler(optimizer), steps_per_epoch


@bounded
def triangular2(
    optimizer: Optimizer, *, steps_per_epoch: int, lowest_lr: Positive, half_cycle_epochs: Positive
) -> LRScheduler:
    """Return a cyclic learning rate whose peaks halve from cycle to cycle (Smith, arXiv:1506.01186).

    Args:
        optimizer: optimiser whose learning rate is the peak of the first cycle.
        steps_per_epoch: number of batches in an epoch; passed by the training module.
        lowest_lr: learning rate at the start and end of a cycle.
        half_cycle_epochs: number of epochs from the lowest to the highest rate.

    Raises:
        ValueError: If a value is out of bounds, or `lowest_lr` is above the optimiser's rate.
    """
    highest_lr = optimizer.param_groups[0]["lr"]
    if not 0 < lowest_lr <= highest_lr:
        raise ValueError(
            f"lowest_lr must lie in (0, {highest_lr}], the optimiser's rate, got {lowest_lr}; take a tenth of it"
        )
    return CyclicLR(
        optimizer,
        base_lr=lowest_lr,
        max_lr=highest_lr,
        step_size_up=half_cycle_epochs * steps_per_epoch,
        mode="triangular2",
        cycle_momentum=False,
    )
