"""Layers two networks share."""

from torch import Tensor, nn
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
