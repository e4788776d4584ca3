"""How fast a training goes, not what it learns: memory layout, optimiser's kernel, compilation, form of attention."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from ptycho_bench.models.ppn.poca import FORMS, PoCA

MODES = ("default", "reduce-overhead", "max-autotune")


@dataclass(frozen=True, kw_only=True)
class ComputeOptions:
    """Options of conf/trainer that change results by rounding alone.

    Args:
        channels_last: memory layout of convolutions.
        fused: the optimiser's step as one kernel.
        compile: mode of `torch.compile` for the model, reduce-overhead for CUDA graphs; None: not compiled.
        attention: form of PPN's polar attention, see `models.ppn.poca.FORMS`.

    Raises:
        ValueError: a mode or form that there is not.
    """

    channels_last: bool
    fused: bool
    compile: str | None
    attention: str

    def __post_init__(self) -> None:
        if self.compile is not None and self.compile not in MODES:
            raise ValueError(f"trainer.compile must be null, {', '.join(MODES)}, got {self.compile!r}")
        if self.attention not in FORMS:
            raise ValueError(f"trainer.attention must be one of {', '.join(FORMS)}, got {self.attention!r}")

    def applied(self, network: nn.Module, model: nn.Module) -> nn.Module:
        """The network, laid out and compiled; its weights keep their names.

        Args:
            network: what is trained.
            model: the part of it that computes.
        """
        for module in model.modules():
            if isinstance(module, PoCA):
                module.attend = FORMS[self.attention]
        if self.compile is not None:
            model.compile(mode=self.compile)
        return network.to(memory_format=torch.channels_last) if self.channels_last else network

    def check_clipping(self, clip_norm: float | None, precision: str) -> None:
        """Raise ValueError for a fused optimiser whose gradients are to be clipped in mixed precision."""
        if self.fused and clip_norm is not None and precision.endswith("-mixed"):
            raise ValueError(
                f"trainer.fused with trainer.precision={precision} clips no gradients, and recipe.clip_norm is "
                f"{clip_norm:g}; set trainer.fused=false or recipe.clip_norm=null"
            )

    def optimizer(self, make: Callable[..., Optimizer]) -> Callable[..., Optimizer]:
        """What makes the optimiser, so that it makes a fused one where that is asked for.

        Raises:
            ValueError: the optimiser has no fused kernel.
        """
        if not self.fused:
            return make
        kind = getattr(make, "func", make)
        if "fused" not in inspect.signature(kind).parameters:
            raise ValueError(f"trainer.fused: {kind.__name__} has no fused kernel; set trainer.fused=false")
        return lambda parameters: make(parameters, fused=True)
