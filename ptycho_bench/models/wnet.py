"""W1-, W2-, W3-Net: ConvNeXt-V2 encoder with squeeze-excitation, two decoders (Xing, doi:10.3389/aot.2024.1474654).

The paper gives the topology, and the size of W3-Net as a share of PtychoNN's parameters; the widths are not available.
Those in conf/model/w*.yaml are assumptions of this project, chosen so that W3-Net has that share.
"""

import torch
from torch import Tensor, nn

from ptycho_bench.models.layers import ChannelNorm, Initialisation, SharedBatchNorm2d, Upsample2, initialise
from ptycho_bench.physics.bounds import Depth, Width

NORM_EPS = 1e-6


class GlobalResponseNorm(nn.Module):
    """ConvNeXt V2's global response normalisation of (B, C, H, W) (Woo et al., doi:10.1109/CVPR52729.2023.01548)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        response = torch.linalg.vector_norm(features, dim=(-2, -1), keepdim=True)
        response = response / (response.mean(dim=1, keepdim=True) + NORM_EPS)
        return self.gain * features * response + self.bias + features


class ConvNeXtBlock(nn.Module):
    """Residual block: depthwise convolution, norm, widening by `expansion`, GELU, response norm, narrowing."""

    def __init__(self, channels: int, *, kernel: int, expansion: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels),
            ChannelNorm(channels, eps=NORM_EPS),
            nn.Conv2d(channels, expansion * channels, 1),
            nn.GELU(),
            GlobalResponseNorm(expansion * channels),
            nn.Conv2d(expansion * channels, channels, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


class SqueezeExcitation(nn.Module):
    """Channel weights computed from the channel means, with reduction 16 and at least 4 hidden units."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(4, channels // 16)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features * self.weigh(features)


class WNet(nn.Module):
    """One encoder that reduces the side by 16, two decoders, no skip connections.

    Args:
        size_px: side of a pattern, px, taken from the data; must be divisible by 16.
        in_channels: channels of the network input, taken from the input transform.
        phase_channels: channels of the phase output, taken from the phase representation.
        widths: channels of the four encoder stages.
        blocks: number of ConvNeXt blocks in each stage.
        stem_kernel: kernel size of the first convolution, which halves the size.
        kernel: kernel size of the depthwise convolutions.
        expansion: factor by which the channels grow inside a block.
        decoder_widths: channels after each of the four upsamplings.
        separable: whether the decoders use depthwise-separable convolutions (W3-Net).
        initialisation: name of the weight initialisation, see `initialise`.

    Raises:
        ValueError: If the size is not divisible by 16, or if there are not four stages.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        widths: list[Width],
        blocks: list[Depth],
        stem_kernel: Depth,
        kernel: Depth,
        expansion: Depth,
        decoder_widths: list[Width],
        separable: bool,
        initialisation: Initialisation,
    ) -> None:
        super().__init__()
        if size_px % 16:
            raise ValueError(f"W-Nets need patterns whose side is divisible by 16, got {size_px} px; crop or pad")
        if not len(widths) == len(blocks) == len(decoder_widths) == 4:
            raise ValueError(
                f"widths, blocks and decoder_widths must have 4 numbers each, got {widths}, {blocks}, {decoder_widths}"
            )
        stages = [
            nn.Conv2d(in_channels, widths[0], stem_kernel, stride=2, padding=stem_kernel // 2),
            ChannelNorm(widths[0], eps=NORM_EPS),
        ]
        for k, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            if k:
                stages += [ChannelNorm(widths[k - 1], eps=NORM_EPS), nn.Conv2d(widths[k - 1], width, 2, stride=2)]
                stages += [SqueezeExcitation(width)]
            stages += [ConvNeXtBlock(width, kernel=kernel, expansion=expansion) for _ in range(count)]
        self.encoder = nn.Sequential(*stages)
        self.amplitude = self.decoder(widths[-1], decoder_widths, 1, separable=separable)
        self.phase = self.decoder(widths[-1], decoder_widths, phase_channels, separable=separable)
        initialise(self, initialisation)

    @staticmethod
    def decoder(channels: int, widths: list[int], out_channels: int, *, separable: bool) -> nn.Sequential:
        """Return bilinear upsampling and two convolutions with batch norm and GELU per width, then one convolution."""

        def convolution(inside: int, outside: int) -> list[nn.Module]:
            if not separable:
                return [nn.Conv2d(inside, outside, 3, padding=1, bias=False)]
            depthwise = nn.Conv2d(inside, inside, 3, padding=1, groups=inside, bias=False)
            return [depthwise, nn.Conv2d(inside, outside, 1, bias=False)]

        layers: list[nn.Module] = []
        for width in widths:
            layers.append(Upsample2())
            for inside in (channels, width):
                layers += [*convolution(inside, width), SharedBatchNorm2d(width), nn.GELU()]
            channels = width
        return nn.Sequential(*layers, nn.Conv2d(channels, out_channels, 3, padding=1))

    def forward(self, diffraction: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(diffraction)  # (B, widths[3], H / 16, W / 16)
        return self.amplitude(code), self.phase(code)  # (B, 1, H, W), (B, phase_channels, H, W), unbounded
