"""Layers that several networks share."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

INITIALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "glorot": nn.init.xavier_uniform_,  # Keras' default
    "glorot_normal": nn.init.xavier_normal_,
    "kaiming": nn.init.kaiming_uniform_,
}
Initialisation = Literal["framework", "glorot", "glorot_normal", "kaiming"]


def initialise(model: nn.Module, name: Initialisation) -> None:
    """Initialise the weights of convolutions and linear layers; biases become zero.

    Args:
        model: the network.
        name: key of `INITIALISATIONS`, or `framework`, which keeps PyTorch's defaults.

    Raises:
        ValueError: If the name is unknown.
    """
    if name == "framework":
        return
    if name not in INITIALISATIONS:
        raise ValueError(f"initialisation must be framework, {', '.join(INITIALISATIONS)}, got {name!r}")
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            INITIALISATIONS[name](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class SameConvTranspose2d(nn.ConvTranspose2d):
    """3 x 3 transposed convolution with Keras' "same" alignment; stride 1 keeps the size, stride 2 doubles it."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__(in_channels, out_channels, 3, stride=stride, padding=1 if stride == 1 else 0)

    def forward(self, features: Tensor) -> Tensor:
        result = super().forward(features)
        return result if self.stride[0] == 1 else result[..., :-1, :-1]


def conv_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a 3 x 3 "same" convolution with bias, followed by a ReLU."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU(inplace=True))


class Upsample2(nn.Module):
    """Upsampling by a factor of 2, either `bilinear` (corners not aligned) or `nearest`."""

    def __init__(self, mode: str = "bilinear") -> None:
        super().__init__()
        if mode not in ("bilinear", "nearest"):
            raise ValueError(f"upsampling must be bilinear or nearest, got {mode!r}")
        self.mode = mode

    def forward(self, features: Tensor) -> Tensor:
        aligned = {"align_corners": False} if self.mode == "bilinear" else {}
        return F.interpolate(features, scale_factor=2, mode=self.mode, **aligned)


class SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over all processes of a training; the gradient is summed over them, too."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return SumOverProcesses.apply(gradient)


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation that is synchronised over all processes of a training, on CPUs as well as on GPUs."""

    def forward(self, features: Tensor) -> Tensor:
        shared = distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
        if not (self.training and shared):
            return super().forward(features)
        dims = (0, 2, 3)
        features = features.float()
        count = SumOverProcesses.apply(features.new_tensor(features[:, 0].numel()))
        mean = SumOverProcesses.apply(features.sum(dim=dims)) / count
        centred = features - mean[:, None, None]
        variance = SumOverProcesses.apply(centred.square().sum(dim=dims)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None] + self.bias[:, None, None]


class SameConv2d(nn.Conv2d):
    """3 x 3 convolution, padded as Keras' "same" is for even sides; stride 1 keeps the size, stride 2 halves it."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__(in_channels, out_channels, 3, stride=stride, padding=1 if stride == 1 else 0)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features if self.stride[0] == 1 else F.pad(features, (0, 1, 0, 1)))


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of a (B, C, H, W) tensor."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.movedim(1, -1)).movedim(-1, 1)


class ReducedAttention(nn.Module):
    """Self-attention over the pixels of a (B, C, H, W) map, with keys and values from a map that `reduce` made smaller.

    Args:
        width: channels C.
        heads: attention heads, each of width / heads channels.
        reduce: maps (B, C, H, W) to (B, C, H / R, W / R).
    """

    def __init__(self, *, width: int, heads: int, reduce: nn.Module) -> None:
        super().__init__()
        self.heads, self.reduce = heads, reduce
        self.query, self.key, self.value, self.out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def tokens(self, features: Tensor) -> Tensor:
        """Split a map (B, heads d, H, W) into tokens (B, heads, H W, d)."""
        return features.flatten(2).unflatten(1, (self.heads, -1)).transpose(-2, -1)

    def forward(self, features: Tensor) -> Tensor:
        reduced = self.reduce(features)
        query, key, value = self.query(features), self.key(reduced), self.value(reduced)
        mixed = F.scaled_dot_product_attention(*map(self.tokens, (query, key, value)))
        return self.out(mixed.transpose(-2, -1).flatten(1, 2).unflatten(2, features.shape[-2:]))


class DropPath(nn.Module):
    """Drop a residual branch at random during training, per sample or for the whole batch at once."""

    def __init__(self, probability: float, *, whole_batch: bool = False) -> None:
        super().__init__()
        self.probability, self.whole_batch = probability, whole_batch

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return branch
        keep = 1 - self.probability
        count = 1 if self.whole_batch else len(branch)
        return branch * torch.bernoulli(branch.new_full((count, 1, 1, 1), keep)) / keep
