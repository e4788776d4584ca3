"""Layers two networks share."""

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn import functional as F


def initialise(model: nn.Module, name: str) -> None:
    """Set starting weights: `glorot` (uniform, zero bias: Keras' own), or `framework` (PyTorch's, left as they are).

    Raises:
        ValueError: another name.
    """
    if name not in ("glorot", "framework"):
        raise ValueError(f"initialisation must be glorot or framework, got {name!r}")
    if name == "framework":
        return
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class SameConvTranspose2d(nn.ConvTranspose2d):
    """3 x 3 transposed convolution that keeps (stride 1) or doubles (stride 2) the size, aligned as Keras' "same"."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__(in_channels, out_channels, 3, stride=stride, padding=1 if stride == 1 else 0)

    def forward(self, features: Tensor) -> Tensor:
        result = super().forward(features)
        return result if self.stride[0] == 1 else result[..., :-1, :-1]


def conv_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    """3 x 3 "same" convolution with bias, then ReLU."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU(inplace=True))


class Upsample2(nn.Module):
    """Bilinear x 2, corners not aligned."""

    def forward(self, features: Tensor) -> Tensor:
        return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the whole batch where processes share it, on CPUs as on GPUs; else PyTorch's own."""

    def forward(self, features: Tensor) -> Tensor:
        shared = distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
        if not (self.training and shared):
            return super().forward(features)
        over = (0, 2, 3)
        features = features.float()
        count = all_reduce(features.new_tensor(features[:, 0].numel()))
        mean = all_reduce(features.sum(dim=over)) / count
        centred = features - mean[:, None, None]
        variance = all_reduce(centred.square().sum(dim=over)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None] + self.bias[:, None, None]
