"""W1-, W2-, W3-Net: ConvNeXt-V2 encoder with squeeze-excitation, two decoders (Xing, doi:10.3389/aot.2024.1474654).

The paper fixes the topology and W3's share of PtychoNN's parameters; its widths are lost. Those in conf/model/w*.yaml
are this project's assumption, chosen to meet that share.
"""

import torch
from torch import Tensor, nn

from ptycho_bench.models.layers import ChannelNorm, SharedBatchNorm2d, Upsample2, initialise

NORM_EPS = 1e-6


class GlobalResponseNorm(nn.Module):
    """ConvNeXt V2's response normalisation over the channels of (B, C, H, W) (doi:10.1109/CVPR52729.2023.01548)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        response = torch.linalg.vector_norm(features, dim=(-2, -1), keepdim=True)
        response = response / (response.mean(dim=1, keepdim=True) + NORM_EPS)
        return self.gain * features * response + self.bias + features


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, norm, widening by `expansion`, GELU, response norm, narrowing; plus its input."""

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
    """Channel weights from the mean of each channel; reduction 16, at least 4 hidden units."""

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
    """One encoder to H / 16, two decoders, no skips.

    Args:
        size_px: side of a pattern; the CLI passes it. Must divide by 16.
        in_channels: channels of the input transform; the CLI passes them.
        phase_channels: channels of the phase representation; the CLI passes them.
        widths: channels of the four encoder stages.
        blocks: ConvNeXt blocks of each.
        stem_kernel: side of the first convolution, which halves the size.
        kernel: side of the depthwise convolutions.
        expansion: widening inside a block.
        decoder_widths: channels after each of the four doublings.
        separable: depthwise-separable convolutions in the decoders (W3).
        initialisation: glorot or framework.

    Raises:
        ValueError: a size that does not divide by 16, or stages that are not four.
    """

    def __init__(
        self,
        *,
        size_px: int,
        in_channels: int,
        phase_channels: int,
        widths: list[int],
        blocks: list[int],
        stem_kernel: int,
        kernel: int,
        expansion: int,
        decoder_widths: list[int],
        separable: bool,
        initialisation: str,
    ) -> None:
        super().__init__()
        if size_px % 16:
            raise ValueError(f"W-Nets need patterns whose side divides by 16, got {size_px} px; crop or pad")
        if not len(widths) == len(blocks) == len(decoder_widths) == 4:
            raise ValueError(
                f"widths, blocks and decoder_widths must be four each, got {widths}, {blocks}, {decoder_widths}"
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
        """Bilinear doubling and two convolutions with batch norm and GELU, once per width; then one convolution."""

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
