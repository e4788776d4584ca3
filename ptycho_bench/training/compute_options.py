"""Options that decide how fast a network is trained but not what it learns: memory layout, kernels, compilation."""

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
    """Options of conf/trainer that change results by no more than rounding.

    Args:
        channels_last: use the channels-last memory layout for convolutions.
        fused: run each optimiser step as one kernel.
        compile: mode of `torch.compile` for the model; reduce-overhead uses CUDA graphs; None does not compile.
        attention: form of PPN's polar attention, see `models.ppn.poca.FORMS`.

    Raises:
        ValueError: If the mode or the form does not exist.
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

    def apply(self, network: nn.Module, model: nn.Module) -> nn.Module:
        """Lay out and compile a network in place and return it; its weights keep their names.

        Args:
            network: network to train.
            model: the part of the network that is compiled.
        """
        for module in model.modules():
            if isinstance(module, PoCA):
                module.attend = FORMS[self.attention]
        if self.compile is not None:
            model.compile(mode=self.compile)
        return network.to(memory_format=torch.channels_last) if self.channels_last else network

    def check_clipping(self, clip_norm: float | None, precision: str) -> None:
        """Raise ValueError if a fused optimiser should clip gradients in mixed precision, which it cannot do."""
        if self.fused and clip_norm is not None and precision.endswith("-mixed"):
            raise ValueError(
                f"trainer.fused cannot clip gradients with trainer.precision={precision}, but recipe.clip_norm is "
                f"{clip_norm:g}; set trainer.fused=false or recipe.clip_norm=null"
            )

    def optimizer_factory(self, make: Callable[..., Optimizer]) -> Callable[..., Optimizer]:
        """Return a function that takes parameters and builds the optimiser, fused if `fused` is set.

        Args:
            make: builds the optimiser from parameters and keyword arguments.

        Raises:
            ValueError: If the optimiser has no fused kernel.
        """
        if not self.fused:
            return make
        kind = getattr(make, "func", make)
        if "fused" not in inspect.signature(kind).parameters:
            raise ValueError(f"trainer.fused is set, but {kind.__name__} has no fused kernel; set trainer.fused=false")
        return lambda parameters: make(parameters, fused=True)
