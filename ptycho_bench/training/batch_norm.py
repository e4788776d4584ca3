"""Running statistics of batch normalisation as plain averages over the training part.

Running statistics are exponential averages that start at 0 and 1. With momentum 0.01, 55 % of these initial values
remain after 60 steps, so that a network trained for few steps is tested with other statistics than it was trained with.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


class BatchNormMoments:
    """Forward hook of a batch-norm layer: normalises each batch by its own statistics and adds up what it has seen.

    The layer itself stays in evaluation mode, so that layers that synchronise processes in training do not wait.
    """

    def __init__(self) -> None:
        self.count, self.total, self.squares = 0, torch.zeros(()), torch.zeros(())

    def __call__(self, layer: _BatchNorm, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        (features,) = inputs
        values = features.double().movedim(1, 0).flatten(1)
        self.count += values.shape[1]
        self.total = self.total.to(values) + values.sum(dim=1)
        self.squares = self.squares.to(values) + values.square().sum(dim=1)
        return F.batch_norm(features, None, None, layer.weight, layer.bias, training=True, eps=layer.eps)

    def write(self, layer: _BatchNorm) -> None:
        """Set a layer's running statistics to the mean and the unbiased variance of everything seen."""
        mean = self.total / self.count
        variance = (self.squares - self.count * mean.square()).clamp_min(0) / (self.count - 1)
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(variance)


@torch.no_grad()
def reestimate_batch_norm(model: nn.Module, batches: Iterable[Tensor]) -> bool:
    """Replace the running statistics of all batch-norm layers by those of the given batches, with equal weights.

    This is `torch.optim.swa_utils.update_bn` with two differences: dropout stays off, as in testing, and the variance
    includes that between batches. Every layer sees features that the layers before it have normalised by their batch,
    as in training.

    Args:
        model: the architecture; it is left in evaluation mode.
        batches: its inputs, each (B, C, H, W), on its device.

    Returns:
        Whether the model has such layers; if not, no batch is taken.
    """
    model.eval()
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    if not layers:
        return False
    moments = [BatchNormMoments() for _ in layers]
    hooks = [layer.register_forward_hook(seen) for layer, seen in zip(layers, moments, strict=True)]
    try:
        for batch in batches:
            model(batch)
    finally:
        for hook in hooks:
            hook.remove()
    for layer, seen in zip(layers, moments, strict=True):
        if seen.count:  # a layer that the forward pass leaves out keeps its statistics
            seen.write(layer)
    return True
