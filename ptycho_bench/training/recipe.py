"""A training recipe: epochs, batch, optimiser, schedule, clipping. Each file of conf/recipe is one."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Args:
        epochs: passes over the training part.
        batch_size: patterns of one step, over all processes.
        optimizer: parameters to optimiser.
        scheduler: optimiser to schedule, stepped once an epoch with the validation loss.
        clip_norm: largest norm of the gradient; null for none.
    """

    epochs: int
    batch_size: int
    optimizer: Callable[..., Optimizer]
    scheduler: Callable[..., LRScheduler]
    clip_norm: float | None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"recipe.{name} must be at least 1, got {getattr(self, name)}")
        try:
            self.scheduler(self.optimizer([nn.Parameter(torch.zeros(1))]))
        except (TypeError, ValueError) as error:
            raise ValueError(f"recipe.optimizer or recipe.scheduler: {error}; see their PyTorch pages") from error
