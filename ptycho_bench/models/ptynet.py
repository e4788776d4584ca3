"""PtyNet, small version: strided encoder, and one decoder in two groups for both outputs (Pan et al. 2023)."""

import torch
from torch import Tensor, nn

from ptycho_bench.models.layers import Initialisation, initialise

SLOPE = 0.2  # negative slope of every LeakyReLU


def conv_leaky_relu(
    in_channels: int, out_channels: int, *, stride: int = 1, groups: int = 1, bias: bool = True
) -> nn.Sequential:
    """Return a 3 x 3 convolution followed by a LeakyReLU."""
    layer = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, groups=groups, bias=bias)
    return nn.Sequential(layer, nn.LeakyReLU(SLOPE, inplace=True))


def upsampling_conv(channels: int, groups: int = 2) -> nn.ConvTranspose2d:
    """Return a 4 x 4 transposed convolution that doubles the size."""
    return nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, groups=groups)


class PtyNet(nn.Module):
    """`Net1` of the released code; 324,452 parameters with one phase channel, no normalisation, no skip connections.

    The released code bounds both outputs with Hardtanh(-1, 1) and multiplies the second by pi to obtain the phase. Here
    the amplitude and phase representations bound them, as for every other network.

    Args:
        size_px: side of a pattern, px, taken from the data; must be divisible by 8.
        in_channels: channels of the network input, taken from the input transform.
        phase_channels: channels of the phase output, taken from the phase representation. With one channel, the last
            layers keep the two groups of the released code; with more they are not grouped.
        initialisation: name of the weight initialisation, see `initialise`.

    Raises:
        ValueError: If the size is not divisible by 8.
    """

    def __init__(self, *, size_px: int, in_channels: int, phase_channels: int, initialisation: Initialisation) -> None:
        super().__init__()
        if size_px % 8:
            raise ValueError(f"PtyNet needs patterns whose side is divisible by 8, got {size_px} px; crop or pad")
        outputs = 1 + phase_channels
        groups = 2 if outputs == 2 else 1
        self.encoder = nn.Sequential(
            conv_leaky_relu(in_channels, 16),
            conv_leaky_relu(16, 16, stride=2),
            conv_leaky_relu(16, 16),
            conv_leaky_relu(16, 32, stride=2),
            conv_leaky_relu(32, 64),
            conv_leaky_relu(64, 128, stride=2),
        )
        self.decoder = nn.Sequential(
            conv_leaky_relu(128, 64),
            conv_leaky_relu(64, 64, groups=2, bias=False),
            upsampling_conv(64),
            nn.LeakyReLU(SLOPE, inplace=True),
            conv_leaky_relu(64, 64),
            conv_leaky_relu(64, 64, groups=2, bias=False),
            upsampling_conv(64),
            nn.LeakyReLU(SLOPE, inplace=True),
            conv_leaky_relu(64, 16),
            conv_leaky_relu(16, outputs, groups=groups),
            upsampling_conv(outputs, groups),
        )
        initialise(self, initialisation)

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.decoder(self.encoder(diffraction))  # (B, 1 + phase_channels, H, W), unbounded
        return torch.split(outputs, [1, outputs.shape[1] - 1], dim=1)
