"""A training recipe: epochs, batch, optimiser, schedule, clipping. Each file of conf/recipe is one."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Args:
        epochs: passes over the training part.
        batch_size: patterns of one step, over all processes.
        optimizer: parameters to optimiser.
        scheduler: optimiser to schedule; one that takes `steps_per_epoch` is stepped with every batch, any other once
            an epoch, with the validation loss where it wants one; null keeps the learning rate.
        clip_norm: largest norm of the gradient; null for none.
    """

    epochs: int
    batch_size: int
    optimizer: Callable[..., Optimizer]
    scheduler: Callable[..., LRScheduler] | None
    clip_norm: float | None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"recipe.{name} must be at least 1, got {getattr(self, name)}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"recipe.clip_norm must be above 0, got {self.clip_norm}; null clips nothing")
        try:
            self.schedule(self.optimizer([nn.Parameter(torch.zeros(1))]), steps_per_epoch=1)
        except (TypeError, ValueError) as error:
            raise ValueError(f"recipe.optimizer or recipe.scheduler: {error}; see what their _target_ takes") from error

    def schedule(self, optimizer: Optimizer, *, steps_per_epoch: int) -> tuple[LRScheduler, int] | None:
        """The schedule and every how many batches it is stepped; None where there is none."""
        if self.scheduler is None:
            return None
        if "steps_per_epoch" in inspect.signature(self.scheduler).parameters:
            return self.scheduler(optimizer, steps_per_epoch=steps_per_epoch), 1
        return self.scheduler(optimizer), steps_per_epoch


def triangular2(
    optimizer: Optimizer, *, steps_per_epoch: int, lowest_lr: float, half_cycle_epochs: float
) -> LRScheduler:
    """Cyclic learning rate whose peaks halve (Smith, arXiv:1506.01186).

    Args:
        optimizer: its learning rate is the first cycle's peak.
        steps_per_epoch: batches of an epoch; the module passes it.
        lowest_lr: where cycles start and end.
        half_cycle_epochs: from lowest to highest.

    Raises:
        ValueError: rates that do not rise from above 0, or no half cycle.
    """
    highest_lr = optimizer.param_groups[0]["lr"]
    if not 0 < lowest_lr <= highest_lr:
        raise ValueError(f"lowest_lr must lie in (0, {highest_lr}], the optimiser's rate, got {lowest_lr}")
    if not half_cycle_epochs > 0:
        raise ValueError(f"half_cycle_epochs must be above 0, got {half_cycle_epochs}")
    return CyclicLR(
        optimizer,
        base_lr=lowest_lr,
        max_lr=highest_lr,
        step_size_up=half_cycle_epochs * steps_per_epoch,
        mode="triangular2",
        cycle_momentum=False,
    )
